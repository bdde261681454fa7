"""report: write the results log of an experiment as one self-contained HTML file."""

from pathlib import Path

import click

from entrypoints import shell
from entrypoints.options import AUTO_TEXT, OPTIONAL_TEXT, TEXT, option


@click.command(help=__doc__)
@option("experiment", AUTO_TEXT, "auto", "Name or id of the experiment; auto is the one that the command runs in.")
@option("since", OPTIONAL_TEXT, "none", "Only runs that started at this date or time, such as 2026-01-31, or later.")
@option("output", TEXT, "results_log.html", "File to write.")
@option("data_dir", TEXT, "data", "Folder of all data: metrics that wait there are sent first.")
def main(experiment: str | None, since: str | None, output: str, data_dir: str) -> None:
    from glassliquid.commands import report

    shell.interrupt_on_terminate()
    start = None if since is None else report.parse_since(since)
    report.run(report.ReportJob(experiment=experiment, since=start, output=Path(output), data_dir=Path(data_dir)))


if __name__ == "__main__":
    shell.run(main)

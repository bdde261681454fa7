"""tidy: close the runs that dead processes left, send metrics that wait, remove half-written files."""

from pathlib import Path

import click

from entrypoints import shell
from entrypoints.options import TEXT, option


@click.command(help=__doc__)
@option("experiment", TEXT, "all", "Name or id of the experiment whose runs are closed; all is every one of the store.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(experiment: str, data_dir: str) -> None:
    from glassliquid.commands import tidy

    shell.interrupt_on_terminate()
    tidy.run(tidy.TidyJob(experiment=None if experiment == "all" else experiment, data_dir=Path(data_dir)))


if __name__ == "__main__":
    shell.run(main)

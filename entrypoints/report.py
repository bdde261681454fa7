"""report: write the results log of an experiment as one self-contained HTML file."""

from entrypoints import shell
from glassliquid.commands.jobs import ReportJob


@shell.entry_point(ReportJob, __doc__)
def main(job: ReportJob) -> None:
    from glassliquid.commands import report

    report.run(job)


if __name__ == "__main__":
    shell.run(main)

"""tidy: close runs that dead processes left open, send waiting metrics, remove half-written files."""

from entrypoints import shell
from glassliquid.commands.jobs import TidyJob


@shell.entry_point(TidyJob, __doc__)
def main(job: TidyJob) -> None:
    from glassliquid.commands import tidy

    tidy.run(job)


if __name__ == "__main__":
    shell.run(main)

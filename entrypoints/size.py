"""size: find how many particles it takes to tell a glass from a liquid of the same energy."""

from pathlib import Path

from entrypoints import shell
from glassliquid.commands.size_job import SizeJob


@shell.entry_point(SizeJob, __doc__)
def main(job: SizeJob) -> None:
    from glassliquid.commands import size

    size.run(job, project=Path(__file__).resolve().parents[1])


if __name__ == "__main__":
    shell.run(main)

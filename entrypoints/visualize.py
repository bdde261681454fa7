"""visualize: show what a network looks at, in pictures and as a value for each particle."""

from entrypoints import shell
from glassliquid.commands.jobs import VisualizeJob


@shell.entry_point(VisualizeJob, __doc__)
def main(job: VisualizeJob) -> None:
    from glassliquid.commands import visualize

    visualize.run(job)


if __name__ == "__main__":
    shell.run(main)

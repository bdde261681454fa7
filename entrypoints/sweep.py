"""sweep: search batch size, dropout and more; make a table of the trials and register the best model."""

from entrypoints import shell
from glassliquid.sweep.job import SweepJob


@shell.entry_point(SweepJob, __doc__)
def main(job: SweepJob) -> None:
    from glassliquid.commands import sweep

    # While data are being made, a signal ends the command; while it sweeps, it ends the iterations first.
    sweep.run(job, shell.stop_flag)


if __name__ == "__main__":
    shell.run(main)

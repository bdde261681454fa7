"""train: train a network to tell glass from liquid, and register the best model."""

from entrypoints import shell
from glassliquid.sessions.training_job import TrainJob


@shell.entry_point(TrainJob, __doc__)
def main(job: TrainJob) -> None:
    from glassliquid.commands import train

    # While data are being made, a signal ends the command; while it trains, it ends the iteration first.
    train.run(job, shell.stop_flag)


if __name__ == "__main__":
    shell.run(main)

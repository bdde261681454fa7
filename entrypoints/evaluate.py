"""evaluate: score a saved model on a dataset."""

from entrypoints import shell
from glassliquid.commands.jobs import EvaluateJob


@shell.entry_point(EvaluateJob, __doc__)
def main(job: EvaluateJob) -> None:
    from glassliquid.commands import evaluate

    evaluate.run(job)


if __name__ == "__main__":
    shell.run(main)

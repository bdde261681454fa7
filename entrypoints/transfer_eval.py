"""transfer_eval: find where a saved model stops working, along the cooling of an ensemble or on datasets."""

from entrypoints import shell
from glassliquid.commands.jobs import TransferJob


@shell.entry_point(TransferJob, __doc__)
def main(job: TransferJob) -> None:
    from glassliquid.commands import transfer_eval

    transfer_eval.run(job)


if __name__ == "__main__":
    shell.run(main)

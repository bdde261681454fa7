"""main: run the whole chain (make_data, train, evaluate and transfer_eval) as child runs of one parent."""

from pathlib import Path

from entrypoints import shell
from glassliquid.commands.jobs import ChainJob


@shell.entry_point(ChainJob, __doc__)
def main(job: ChainJob) -> None:
    from glassliquid.commands import main as chain

    chain.run(job, project=Path(__file__).resolve().parents[1])


if __name__ == "__main__":
    shell.run(main)

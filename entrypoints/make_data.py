"""make_data: simulate an ensemble and draw a dataset from it."""

from entrypoints import shell
from glassliquid.datasets.config import MakeDataConfig


@shell.entry_point(MakeDataConfig, __doc__)
def main(config: MakeDataConfig) -> None:
    from glassliquid.commands import make_data

    make_data.run(config)


if __name__ == "__main__":
    shell.run(main)

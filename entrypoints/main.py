"""main: the whole chain, make_data, train, evaluate and transfer_eval, as child runs of one parent."""

from pathlib import Path
from typing import Any

import click

from entrypoints import shell
from entrypoints.options import INTEGER, TEXT, option


@click.command(help=__doc__)
@option("name", TEXT, "data_liquid5", "Name of the dataset.")
@option("preset", TEXT, "demo", "Protocol: demo, fast or reference.")
@option("liquid", INTEGER, "5", "Snapshot index drawn as liquid, 0 to 200.")
@option("glass", INTEGER, "200", "Snapshot index drawn as glass, 0 to 200.")
@option("model", TEXT, "compact", "Network: compact or cnn2018.")
@option("seed", INTEGER, "0", "Seed of the training.")
@option("workers", TEXT, "auto", "Worker processes; auto is all cores.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(model: str, seed: int, data_dir: str, **data: Any) -> None:
    from glassliquid.commands import main as chain
    from glassliquid.datasets.config import MakeDataConfig

    shell.interrupt_on_terminate()
    config = MakeDataConfig(data_dir=Path(data_dir), **data)
    chain.run(chain.ChainJob(data=config, model=model, seed=seed, project=Path(__file__).resolve().parents[1]))


if __name__ == "__main__":
    shell.run(main)

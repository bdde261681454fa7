"""train: train a network to tell glass from liquid, and register the best model."""

from pathlib import Path
from typing import Any

import click

from entrypoints import shell
from entrypoints.shell import INTEGER, NUMBER, OPTIONAL_TEXT, TEXT, option
from entrypoints.training_options import training_options

SURROUNDINGS = (
    "dataset",
    "resume",
    "change",
    "max_hours",
    "repeats",
    "version",
    "step",
    "trial",
    "register_as",
    "device",
)


@click.command(help=__doc__)
@option("dataset", TEXT, "data_liquid5", "Name of the dataset.")
@option("batch_size", INTEGER, "80", "Images in a batch.")
@option("dropout", NUMBER, "0.5", "Probability of dropout.")
@option("repeats", INTEGER, "1", "Train this often, with as many seeds, as child runs of one parent.")
@option("resume", OPTIONAL_TEXT, "none", "Run id, runs:/..., models:/... or checkpoint file to go on from.")
@option(
    "change",
    OPTIONAL_TEXT,
    "none",
    "With resume: settings, separated by commas, that are set to the given value even where it is the default.",
)
@option("step", OPTIONAL_TEXT, "none", "Step label of the run.")
@option("trial", OPTIONAL_TEXT, "none", "Trial label of the run.")
@training_options
def main(data_dir: str, eta_threshold: str, **options: Any) -> None:
    from glassliquid.commands import train
    from glassliquid.sessions.training_job import TrainJob
    from glassliquid.training.config import TrainConfig, parse_thresholds

    surroundings = {name: options.pop(name) for name in SURROUNDINGS}
    surroundings["change"] = tuple(surroundings["change"].split(",")) if surroundings["change"] else ()
    config = TrainConfig(eta_threshold=parse_thresholds(eta_threshold), **options)
    job = TrainJob(config=config, data_dir=Path(data_dir), **surroundings)
    # While data are being made, a signal ends the command; while it trains, it ends the iteration first.
    shell.interrupt_on_terminate()
    train.run(job, shell.stop_flag)


if __name__ == "__main__":
    shell.run(main)

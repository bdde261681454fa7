"""train: train a network to tell glass from liquid, and register the best model."""

from pathlib import Path
from typing import Any

import click

from entrypoints import shell
from entrypoints.shell import (
    AUTO_INTEGER,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OPTIONAL_INTEGER,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    option,
)

SURROUNDINGS = ("dataset", "resume", "max_hours", "repeats", "version", "step", "trial", "register_as", "device")


@click.command(help=__doc__)
@option("dataset", TEXT, "data_liquid5", "Name of the dataset.")
@option("model", TEXT, "compact", "Network: compact or cnn2018.")
@option("batch_size", INTEGER, "80", "Images in a batch.")
@option("learning_rate", NUMBER, "0.001", "Initial learning rate.")
@option("final_learning_rate", NUMBER, "0.0001", "Final learning rate.")
@option("schedule", TEXT, "threshold", "threshold, constant, step, linear, exponential or warmup.")
@option("schedule_length", AUTO_INTEGER, "auto", "Iterations until the final rate; auto is the whole run.")
@option(
    "eta_threshold",
    TEXT,
    "0.90",
    "Validation accuracy above which the rate is lowered, or a list 0.90:0.0001,0.99:0.00001.",
)
@option("l2", NUMBER, "0.0001", "Weight of the L2 penalty.")
@option("dropout", NUMBER, "0.5", "Probability of dropout.")
@option("augment", BOOLEAN, "true", "Turn, mirror and shift training images at random: true or false.")
@option("iterations", INTEGER, "60", "Length of the run.")
@option("batches_per_iteration", INTEGER, "10", "Batches in an iteration.")
@option("eval_every", INTEGER, "5", "Iterations between validations.")
@option("patience", OPTIONAL_INTEGER, "none", "Stop after this many validations without a better one.")
@option("seed", INTEGER, "0", "Seed of the run.")
@option("repeats", INTEGER, "1", "Train this often, with as many seeds, as child runs of one parent.")
@option("resume", OPTIONAL_TEXT, "none", "Run id, runs:/..., models:/... or checkpoint file to go on from.")
@option("max_hours", OPTIONAL_NUMBER, "none", "Stop, with the state saved, after this time.")
@option("version", OPTIONAL_TEXT, "none", "Version label of the run.")
@option("step", OPTIONAL_TEXT, "none", "Step label of the run.")
@option("trial", OPTIONAL_TEXT, "none", "Trial label of the run.")
@option("register_as", OPTIONAL_TEXT, "glass-liquid", "Name of the registered model; none does not register.")
@option("device", TEXT, "auto", "auto, cpu, cuda or mps.")
@option("precision", TEXT, "auto", "auto, float32 or bfloat16.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(data_dir: str, eta_threshold: str, **options: Any) -> None:
    from glassliquid.training.config import TrainConfig, parse_thresholds
    from glassliquid.workflows import train
    from glassliquid.workflows.training_job import TrainJob

    surroundings = {name: options.pop(name) for name in SURROUNDINGS}
    config = TrainConfig(eta_threshold=parse_thresholds(eta_threshold), **options)
    job = TrainJob(config=config, data_dir=Path(data_dir), **surroundings)
    # While data are being made, a signal ends the command; while it trains, it ends the iteration first.
    shell.interrupt_on_terminate()
    train.run(job, shell.stop_flag)


if __name__ == "__main__":
    shell.run(main)

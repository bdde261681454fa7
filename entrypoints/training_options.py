"""The options that train and sweep share: what is held fixed in a sweep is what a training is given."""

from collections.abc import Callable
from typing import Any

from entrypoints.options import (
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

_SHARED = (
    option("model", TEXT, "compact", "Network: compact or cnn2018."),
    option("learning_rate", NUMBER, "0.001", "Initial learning rate."),
    option("final_learning_rate", NUMBER, "0.0001", "Final learning rate."),
    option("schedule", TEXT, "threshold", "threshold, constant, step, linear, exponential or warmup."),
    option("schedule_length", AUTO_INTEGER, "auto", "Iterations until the final rate; auto is the whole run."),
    option(
        "eta_threshold",
        TEXT,
        "0.90",
        "Validation accuracy above which the rate is lowered, or a list 0.90:0.0001,0.99:0.00001.",
    ),
    option("l2", NUMBER, "0.0001", "Weight of the L2 penalty."),
    option("augment", BOOLEAN, "true", "Turn, mirror and shift training images at random: true or false."),
    option("iterations", INTEGER, "60", "Length of a training."),
    option("batches_per_iteration", INTEGER, "10", "Batches in an iteration."),
    option("eval_every", INTEGER, "5", "Iterations between validations."),
    option("patience", OPTIONAL_INTEGER, "none", "Stop a training after this many validations without a better one."),
    option("seed", INTEGER, "0", "Seed of the training; repeats and trials count up from it."),
    option("max_hours", OPTIONAL_NUMBER, "none", "Stop, with the state saved, after this time."),
    option("version", OPTIONAL_TEXT, "none", "Version label of the runs."),
    option("register_as", OPTIONAL_TEXT, "glass-liquid", "Name of the registered model; none does not register."),
    option("device", TEXT, "auto", "auto, cpu, cuda or mps."),
    option("precision", TEXT, "auto", "auto, float32 or bfloat16."),
    option("data_dir", TEXT, "data", "Folder of all data."),
)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them to a command, below its own in --help."""
    for add in reversed(_SHARED):
        command = add(command)
    return command

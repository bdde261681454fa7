"""sweep: search batch size, dropout and more; one table of what was found, and the best model registered."""

from pathlib import Path
from typing import Any

import click

from entrypoints import shell
from entrypoints.options import AUTO_TEXT, INTEGER, NUMBER, OPTIONAL_TEXT, TEXT, option
from entrypoints.training_options import training_options

SURROUNDINGS = (
    *("dataset", "trials", "sampler", "pruner", "repeats", "jobs", "study", "storage"),
    *("max_hours", "version", "register_as", "device"),
)
OPTIONAL_RANGES = ("learning_rate", "l2", "eta_threshold")


@click.command(help=__doc__)
@option("dataset", TEXT, "data_liquid5", "Name of the dataset.")
@option("trials", INTEGER, "20", "Trials of the study; killed ones do not count.")
@option("batch_sizes", TEXT, "10,20,30,50,80,100,130,150,200", "Batch sizes to choose from.")
@option("dropout_low", NUMBER, "0.1", "Lowest probability of dropout.")
@option("dropout_high", NUMBER, "0.5", "Highest probability of dropout.")
@option("learning_rate_range", OPTIONAL_TEXT, "none", "Search the initial rate too, such as 0.0001:0.01.")
@option("l2_range", OPTIONAL_TEXT, "none", "Search the L2 weight too, such as 0.00001:0.01.")
@option("eta_threshold_range", OPTIONAL_TEXT, "none", "Search the threshold of the rate too, such as 0.8:0.99.")
@option("sampler", TEXT, "tpe", "How settings are chosen: tpe, grid (5 levels a range) or random.")
@option("pruner", TEXT, "median", "When a trial is given up: median, hyperband or none.")
@option("repeats", INTEGER, "1", "Seeds of each trial; their mean counts.")
@option("jobs", INTEGER, "1", "Worker processes, which share the cores.")
@option("study", AUTO_TEXT, "auto", "Name of the study; the same name continues it. auto follows from the settings.")
@option("storage", AUTO_TEXT, "auto", "postgresql://USER@HOST/DATABASE or another database; auto is a file.")
@training_options
def main(batch_sizes: str, dropout_low: float, dropout_high: float, data_dir: str, **options: Any) -> None:
    from glassliquid.commands import sweep
    from glassliquid.sweep.job import SweepJob
    from glassliquid.sweep.space import DROPOUT, Range, SearchSpace, parse_batch_sizes, parse_range
    from glassliquid.training.config import TrainConfig

    surroundings = {name: options.pop(name) for name in SURROUNDINGS}
    given = {name: options.pop(f"{name}_range") for name in OPTIONAL_RANGES}
    ranges = [Range(name=DROPOUT, low=dropout_low, high=dropout_high)]
    ranges += [parse_range(name, text) for name, text in given.items() if text is not None]
    space = SearchSpace(batch_sizes=parse_batch_sizes(batch_sizes), ranges=tuple(ranges))
    config = TrainConfig(**options)
    job = SweepJob(config=config, space=space, data_dir=Path(data_dir), **surroundings)
    # While data are being made, a signal ends the command; while it sweeps, it ends the iterations first.
    shell.interrupt_on_terminate()
    sweep.run(job, shell.stop_flag)


if __name__ == "__main__":
    shell.run(main)

"""make_data: simulate an ensemble and draw a dataset from it."""

from pathlib import Path
from typing import Any

import click

from entrypoints import shell
from entrypoints.options import AUTO_INTEGER, AUTO_TEXT, BOOLEAN, INTEGER, NUMBER, OPTIONAL_TEXT, TEXT, option


@click.command(help=__doc__)
@option("name", TEXT, "data_liquid5", "Name of the dataset.")
@option("engine", AUTO_TEXT, "auto", "Engine that simulates; auto is the ensemble's, or the fastest that can run here.")
@option("source", TEXT, "simulate", "Where the data come from: simulate, trajectories or images.")
@option("input", OPTIONAL_TEXT, "none", "Folder of the trajectories or images.")
@option("preset", TEXT, "demo", "Protocol: demo, fast or reference.")
@option("ensemble", AUTO_TEXT, "auto", "Name of the ensemble; auto is the preset's name.")
@option("liquid", INTEGER, "5", "Snapshot index drawn as liquid, 0 to 200.")
@option("glass", INTEGER, "200", "Snapshot index drawn as glass, 0 to 200.")
@option("particles", AUTO_INTEGER, "auto", "Particles in a simulation; auto is the preset's.")
@option("cooling_steps", AUTO_INTEGER, "auto", "Time steps of the cooling, a multiple of 200; auto is the preset's.")
@option("simulations", AUTO_INTEGER, "auto", "Simulations in the ensemble; auto is the preset's.")
@option("snapshots", AUTO_TEXT, "auto", "Stored snapshot indices, comma-separated; auto is the preset's.")
@option("image_size", INTEGER, "128", "Side of the images [pixels].")
@option("window", NUMBER, "1.0", "Side of the square that is drawn, as a fraction of the box's.")
@option("inherent", BOOLEAN, "false", "Draw inherent structures and record their energies: true or false.")
@option("first_step", INTEGER, "0", "Time step of imported trajectories at which the cooling starts.")
@option("skip_unreadable", BOOLEAN, "false", "Leave out images that cannot be read: true or false.")
@option("seed", INTEGER, "1", "Seed of the ensemble.")
@option("workers", TEXT, "auto", "Worker processes; auto is all cores.")
@option(
    "scheduler", OPTIONAL_TEXT, "none", "Dask cluster: none, tcp://host:port, or a dask-jobqueue configuration file."
)
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(snapshots: str | None, data_dir: str, input: str | None, **options: Any) -> None:
    from glassliquid.commands import make_data

    shell.interrupt_on_terminate()
    stored = None if snapshots is None else make_data.parse_snapshots(snapshots)
    folder = None if input is None else Path(input)
    make_data.run(make_data.MakeDataConfig(snapshots=stored, data_dir=Path(data_dir), input=folder, **options))


if __name__ == "__main__":
    shell.run(main)

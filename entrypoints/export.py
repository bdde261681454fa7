"""export: write an ensemble as LAMMPS dumps."""

from pathlib import Path
from typing import Any

import click

from entrypoints import shell
from entrypoints.options import AUTO_TEXT, OPTIONAL_TEXT, TEXT, option


@click.command(help=__doc__)
@option("ensemble", TEXT, "demo", "Name of the ensemble.")
@option("output", OPTIONAL_TEXT, "none", "Folder to write to; none is exports/ENSEMBLE in data_dir.")
@option("format", TEXT, "dump", "LAMMPS text dumps: dump, or dump.gz.")
@option("snapshots", AUTO_TEXT, "auto", "Snapshot indices, comma-separated; auto is all that are stored.")
@option("workers", TEXT, "auto", "Worker processes; auto is all cores.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(output: str | None, snapshots: str | None, data_dir: str, **options: Any) -> None:
    from glassliquid.commands import export, make_data

    shell.interrupt_on_terminate()
    chosen = None if snapshots is None else make_data.parse_snapshots(snapshots)
    folder = None if output is None else Path(output)
    export.run(export.ExportConfig(output=folder, snapshots=chosen, data_dir=Path(data_dir), **options))


if __name__ == "__main__":
    shell.run(main)

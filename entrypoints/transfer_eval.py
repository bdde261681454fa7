"""transfer_eval: where does a saved model stop working? Along the cooling of an ensemble, or on datasets."""

from pathlib import Path

import click

from entrypoints import shell
from entrypoints.options import AUTO_TEXT, BOOLEAN, INTEGER, OPTIONAL_TEXT, TEXT, option


@click.command(help=__doc__)
@option(
    "model",
    TEXT,
    "models:/glass-liquid@data_liquid5",
    "Run id, runs:/..., models:/... or checkpoint file; several, separated by commas, give a matrix.",
)
@option("datasets", OPTIONAL_TEXT, "none", "Names of datasets, separated by commas; none scans an ensemble's cooling.")
@option("ensemble", AUTO_TEXT, "auto", "Ensemble to scan; auto is that of the model's training data.")
@option(
    "liquids",
    TEXT,
    "5,10,15,25,35,45,60,80,100,120,140,160,171",
    "Liquid snapshot indices to try, separated by commas; all is every stored one.",
)
@option("glass", INTEGER, "200", "Snapshot index of the glass.")
@option("find_breakdown", BOOLEAN, "true", "Look between these indices for where the accuracy crosses 75 %.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(
    model: str,
    datasets: str | None,
    ensemble: str | None,
    liquids: str,
    glass: int,
    find_breakdown: bool,
    data_dir: str,
) -> None:
    from glassliquid.commands import transfer_eval

    shell.interrupt_on_terminate()
    job = transfer_eval.TransferJob(
        models=transfer_eval.parse_list("model", model),
        datasets=None if datasets is None else transfer_eval.parse_list("datasets", datasets),
        ensemble=ensemble,
        liquids=transfer_eval.parse_liquids(liquids),
        glass=glass,
        find_breakdown=find_breakdown,
        data_dir=Path(data_dir),
    )
    transfer_eval.run(job)


if __name__ == "__main__":
    shell.run(main)

"""evaluate: score a saved model on a dataset."""

from pathlib import Path

import click

from entrypoints import shell
from entrypoints.options import TEXT, model_option, option


@click.command(help=__doc__)
@model_option
@option("dataset", TEXT, "data_liquid5", "Name of the dataset.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(model: str | None, dataset: str, data_dir: str) -> None:
    from glassliquid.commands import evaluate
    from glassliquid.tracking.addresses import best_model

    shell.interrupt_on_terminate()
    evaluate.run(evaluate.EvaluateJob(model=model or best_model(dataset), dataset=dataset, data_dir=Path(data_dir)))


if __name__ == "__main__":
    shell.run(main)

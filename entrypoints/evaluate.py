"""evaluate: score a saved model on a dataset."""

from pathlib import Path

import click

from entrypoints import shell
from entrypoints.shell import AUTO_TEXT, TEXT, option


@click.command(help=__doc__)
@option(
    "model",
    AUTO_TEXT,
    "auto",
    "Run id, runs:/..., models:/... or checkpoint file; auto is models:/glass-liquid@DATASET.",
)
@option("dataset", TEXT, "data_liquid5", "Name of the dataset.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(model: str | None, dataset: str, data_dir: str) -> None:
    from glassliquid.workflows import evaluate

    shell.interrupt_on_terminate()
    evaluate.run(evaluate.EvaluateJob(model=model, dataset=dataset, data_dir=Path(data_dir)))


if __name__ == "__main__":
    shell.run(main)

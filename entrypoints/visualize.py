"""visualize: show what a network looks at, in pictures and as a number for each particle."""

from pathlib import Path

import click

from entrypoints import shell
from entrypoints.options import INTEGER, TEXT, model_option, option


@click.command(help=__doc__)
@model_option
@option("dataset", TEXT, "data_liquid5", "Name of the dataset.")
@option("samples", INTEGER, "1", "Test images of each class that are explained.")
@option("data_dir", TEXT, "data", "Folder of all data.")
def main(model: str | None, dataset: str, samples: int, data_dir: str) -> None:
    from glassliquid.commands import visualize
    from glassliquid.tracking.addresses import best_model

    shell.interrupt_on_terminate()
    visualize.run(
        visualize.VisualizeJob(
            model=model or best_model(dataset), dataset=dataset, samples=samples, data_dir=Path(data_dir)
        )
    )


if __name__ == "__main__":
    shell.run(main)

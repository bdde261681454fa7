"""main: the whole chain as child runs of one parent, finished steps reused."""

from dataclasses import dataclass
from pathlib import Path

from glassliquid.dataset.description import DESCRIPTION
from glassliquid.errors import UserError
from glassliquid.files import read_json
from glassliquid.tracking.projects import StepResult, run_step
from glassliquid.tracking.run import tracked_run
from glassliquid.training.config import TrainConfig
from glassliquid.workflows.layout import Layout
from glassliquid.workflows.make_data import MakeDataConfig


@dataclass(frozen=True, kw_only=True)
class ChainJob:
    """What the chain is run on."""

    data: MakeDataConfig
    """The dataset to make."""
    model: str
    """The network to train."""
    seed: int
    """Seed of the training."""
    project: Path
    """The project's folder."""

    def __post_init__(self) -> None:
        """Check the training's settings before minutes go into the data."""
        TrainConfig(model=self.model, seed=self.seed)


def run(job: ChainJob) -> None:
    """Make the data, train, evaluate; print a table of what was found."""
    data = job.data
    data_dir = {"data_dir": str(data.data_dir)}
    made = {
        "name": data.name,
        "preset": data.preset,
        "liquid": str(data.liquid),
        "glass": str(data.glass),
        "workers": data.workers,
    }
    training = {"dataset": data.name, "model": job.model, "seed": str(job.seed)}

    def digest() -> dict[str, str]:
        return {"dataset": _digest(Layout(data.data_dir).dataset(data.name))}

    with tracked_run("main", f"chain on {data.name}", Layout(data.data_dir).runs) as tracked:
        steps = [run_step(job.project, "make_data", made | data_dir, digest)]
        steps.append(run_step(job.project, "train", training | data_dir, digest))
        evaluation = {"dataset": data.name, "model": steps[-1].run_id}
        steps.append(run_step(job.project, "evaluate", evaluation | data_dir, digest))
        table = _table(steps)
        tracked.describe(table)
        tracked.metrics({key: steps[-1].metrics[key] for key in ("val_accuracy", "test_accuracy")})
        print(f"\n{table}\n")


def _digest(folder: Path) -> str:
    """The digest of a dataset; of one that was deleted or damaged no finished step is reused."""
    try:
        return str(read_json(folder / DESCRIPTION, "a dataset").get("digest"))
    except UserError:
        return "missing"


def _table(steps: list[StepResult]) -> str:
    made, trained, evaluated = (step.metrics for step in steps)
    rows: list[tuple[str, str, StepResult | str]] = [
        ("step", "result", "run"),
        ("---", "---", "---"),
        ("make_data", f"{made['simulations']:.0f} simulations, {made['images']:.0f} images", steps[0]),
        (
            "train",
            f"best validation accuracy {100 * trained['best_val_accuracy']:.2f} % in iteration {trained['best_iteration']:.0f}, "
            f"largest drop {100 * trained['largest_drop']:.1f} %",
            steps[1],
        ),
        ("evaluate", f"validation {_accuracy(evaluated, 'val')}; test {_accuracy(evaluated, 'test')}", steps[2]),
    ]
    cells = [
        (a, b, f"{c.run_id[:8]}{' (reused)' if c.reused else ''}" if isinstance(c, StepResult) else c)
        for a, b, c in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = []
    for row in cells:
        fill = "-" if row[0] == "---" else " "
        lines.append("| " + " | ".join(cell.ljust(width, fill) for cell, width in zip(row, widths, strict=True)) + " |")
    return "\n".join(lines)


def _accuracy(metrics: dict[str, float], split: str) -> str:
    low, high = metrics[f"{split}_accuracy_low"], metrics[f"{split}_accuracy_high"]
    return (
        f"{100 * metrics[f'{split}_accuracy']:.2f} % (95 % interval {100 * low:.1f} to {100 * high:.1f} %, "
        f"{metrics[f'{split}_images']:.0f} images)"
    )

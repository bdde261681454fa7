"""main: the whole chain as child runs of one parent, finished steps reused."""

import hashlib
from functools import partial
from pathlib import Path

from tabulate import tabulate

from glassliquid.commands.jobs import COARSE_LIQUIDS, DATA_OF_CHAIN, TRAINING_OF_CHAIN, ChainJob
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import DESCRIPTION
from glassliquid.ensembles import ensemble
from glassliquid.errors import UserError
from glassliquid.evaluation.comparison import LINEAR, STRUCTURE, verdict_of
from glassliquid.evaluation.transfer_summary import FIGURE
from glassliquid.files import read_json
from glassliquid.layout import Layout
from glassliquid.parameters import to_texts
from glassliquid.tracking import tag
from glassliquid.tracking.projects import MISSING, StepResult, run_step
from glassliquid.tracking.run import tracked_run
from glassliquid.tracking.stored import StoredRun
from glassliquid.upkeep.housekeeping import housekeeping


def run(job: ChainJob, project: Path) -> None:
    """Make the data, train, evaluate, find where the model stops working; print a table of what was found.

    Args:
        job: the data and the training.
        project: the project's folder.
    """
    data, made = job.data, to_texts(job.data, DATA_OF_CHAIN)
    if Path.cwd() != project:  # in which the steps run
        made["data_dir"] = str(Path(made["data_dir"]).absolute())
    data_dir = {"data_dir": made["data_dir"]}
    training = {"dataset": data.name, **to_texts(job.training, TRAINING_OF_CHAIN)}

    layout = Layout(data.data_dir)
    step = partial(run_step, project, layout.steps)

    def digest() -> dict[str, str]:
        return {"dataset": dataset_digest(layout.dataset(data.name))}

    def cooling() -> dict[str, str]:
        return digest() | {"ensemble": ensemble_fingerprint(layout, data.ensemble or data.preset)}

    with tracked_run("main", f"chain on {data.name}") as tracked, housekeeping(tracked, layout.runs):
        steps = [step("make_data", made, digest)]
        steps.append(step("train", training | data_dir, digest, can_resume=partial(can_continue, layout.runs)))
        evaluation = {"dataset": data.name, "model": steps[-1].run_id}
        steps.append(step("evaluate", evaluation | data_dir, digest))
        transfer = {"model": evaluation["model"], "glass": made["glass"], "liquids": _liquids(data)}
        steps.append(step("transfer_eval", transfer | data_dir, cooling))
        found = f"{_table(steps)}\n\n{steps[-1].tags[tag.SENTENCE]}\n\n{_beside_physics(job.training.model, steps[2])}"
        tracked.describe(found)
        tracked.metrics({key: steps[-2].metrics[key] for key in ("val_accuracy", "test_accuracy")})
        tracked.metrics({key: value for key, value in steps[-1].metrics.items() if key.startswith("breakdown")})
        tracked.copy(steps[-1].run_id, FIGURE)
        print(f"\n{found}\n")


def dataset_digest(folder: Path) -> str:
    """The digest of a dataset; of one that was deleted or damaged no finished step is reused."""
    try:
        return str(read_json(folder / DESCRIPTION, "a dataset").get("digest"))
    except UserError:
        return MISSING


def ensemble_fingerprint(layout: Layout, name: str) -> str:
    """Changes with the description of an ensemble."""
    path = layout.ensemble(name) / ensemble.DESCRIPTION
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else MISSING


def can_continue(runs_folder: Path, run: StoredRun) -> bool:
    """Whether a training run of the chain can be resumed; UserError if it has diverged."""
    # It imports PyTorch, which takes a second, to look at a state; mostly there is none.
    from glassliquid.sessions.resumable import can_resume

    return can_resume(run, runs_folder)


def _liquids(data: MakeDataConfig) -> str:
    """The indices at which the model is tried: the usual ones, and its own."""
    return ",".join(str(index) for index in sorted({*COARSE_LIQUIDS, data.liquid}) if index < data.glass)


def _table(steps: list[StepResult]) -> str:
    made, trained, evaluated, transferred = (step.metrics for step in steps)
    results = (
        f"{made['simulations']:.0f} simulations, {made['images']:.0f} images",
        f"best validation accuracy {100 * trained['best_val_accuracy']:.2f} % in iteration {trained['best_iteration']:.0f}, "
        f"largest drop {100 * trained['largest_drop']:.1f} %",
        f"validation {_accuracy(evaluated, 'val')}; test {_accuracy(evaluated, 'test')}",
        _breakdown(transferred),
    )
    rows = [
        (name, result, f"{step.run_id[:8]}{' (reused)' if step.reused else ''}")
        for name, result, step in zip(("make_data", "train", "evaluate", "transfer_eval"), results, steps, strict=True)
    ]
    return tabulate(rows, ("step", "result", "run"), "github", disable_numparse=True)


def _beside_physics(model: str, evaluated: StepResult) -> str:
    """The network's test score and, below it, the linear model's on the same images, as a table; then what that means, in words."""
    metrics = evaluated.metrics
    if model == STRUCTURE:
        return f"The network {model} is the {LINEAR} itself."
    if "structure_test_accuracy" not in metrics:  # evaluate has said why
        return f"There is no {LINEAR} to compare {model} with: see the evaluation {evaluated.run_id[:8]}."
    pairs = [(model, "test"), (LINEAR, "structure_test")]
    table = tabulate([(name, _accuracy(metrics, split)) for name, split in pairs], ("test split", "accuracy"), "github")
    return f"{table}\n\n{model} is {verdict_of(metrics)} the {LINEAR}."


def _breakdown(metrics: dict[str, float]) -> str:
    if "breakdown_temperature" not in metrics:
        return "accuracy below 75 % everywhere"
    low, high = metrics["breakdown_temperature_low"], metrics["breakdown_temperature_high"]
    return f"accuracy above 75 % down to T = {metrics['breakdown_temperature']:.3f} (95 % interval {low:.3f} to {high:.3f})"


def _accuracy(metrics: dict[str, float], split: str) -> str:
    """`100.00 % (120 of 120, 95 % interval 96.9 to 100.0 %)`."""
    accuracy, images = metrics[f"{split}_accuracy"], metrics[f"{split}_images"]
    low, high = 100 * metrics[f"{split}_accuracy_low"], 100 * metrics[f"{split}_accuracy_high"]
    return f"{100 * accuracy:.2f} % ({accuracy * images:.0f} of {images:.0f}, 95 % interval {low:.1f} to {high:.1f} %)"

"""What the results log says of one run: plain values, ready to be laid out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from glassliquid.evaluation.comparison import STRUCTURE
from glassliquid.evaluation.fate import Fate
from glassliquid.report.artifacts import Artifacts
from glassliquid.report.curves import overlay_picture, run_picture
from glassliquid.report.linear import LinearScore, network
from glassliquid.tracking import tag
from glassliquid.tracking.history import Curve
from glassliquid.tracking.stored import StoredRun

TRAIN, TRIAL, SWEEP, MAKE_DATA, TRANSFER = "train", "trial", "sweep", "make_data", "transfer_eval"
NOT_RECORDED = "not recorded"
EVIDENCE = ("evidence.png",)
"""What a linear model has learned."""
PICTURES = {
    TRANSFER: ("transfer.png", "matrix.png"),
    "evaluate": ("evaluation.png",),
    "transition": ("transition.png",),
    "baseline": EVIDENCE,
    "visualize": (
        "attribution.png",
        "particles.png",
        "correlations.png",
        *EVIDENCE,
        "filters.png",
        "certain_and_wrong.png",
    ),
}
"""Pictures shown of a run of a stage, where it has them. Training runs and sweeps have curves instead."""
TRANSFER_TABLE, TRIALS_TABLE = "transfer.csv", "trials.csv"
MOST_SWEEP_PICTURES = 4
PAGE_LINK = re.compile(r"\[[^\]]*\]\(#/[^)]*\)\n*")
"""A link within MLflow's page, which leads nowhere from this one."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run, or one group of runs."""

    run: StoredRun
    kind: str
    """What it is, in one or two words."""
    caption: str = ""
    """Its settings in the order of the research log's captions."""
    results: str = ""
    """What came out, in one line."""
    body: str = ""
    """Its description, in Markdown."""
    curve: Markup | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Name to data address."""
    table: Sequence[Sequence[str]] = ()
    """Head and rows."""
    table_note: str = ""
    children: Sequence["Entry"] = ()
    missing: Sequence[str] = ()
    """What should be there and is not, a sentence each."""


@dataclass(frozen=True)
class EntryWriter:
    """Writes the entries of runs from their curves (run id to metric to points), artifacts and the linear model's scores."""

    curves: Mapping[str, Mapping[str, Curve]]
    artifacts: Artifacts
    linear: Mapping[str, LinearScore] = field(default_factory=dict)
    """Of the linear model on g(r), by the datasets' digests."""

    def entry(self, run: StoredRun, children: Sequence[StoredRun] = ()) -> Entry:
        """One run with its children."""
        if run.stage == SWEEP:
            return self._sweep(run, children)
        if run.stage == TRAIN and run.has_parts:
            return self._parts(run, children)
        if run.stage in (TRAIN, TRIAL):
            return self._training(run)
        return self._other(run, children)

    def _training(self, run: StoredRun) -> Entry:
        curves = self.curves.get(run.run_id, {})
        missing = []
        if not curves.get("val_accuracy"):
            missing.append("There is no curve of the validation accuracy: the run recorded none before it ended.")
        if "test_accuracy" not in run.metrics:
            missing.append("There is no test accuracy: the test split is read when a run finishes.")
        if not run.params:
            missing.append("There are no settings: the run recorded no parameters.")
        return Entry(
            run=run,
            kind="training run",
            caption=caption(run),
            results=" ".join(filter(None, (results(run), self._beside(run)))),
            curve=run_picture(curves, run.fate),
            pictures=self.artifacts.pictures(run, EVIDENCE) if network(run) == STRUCTURE else {},
            missing=missing,
        )

    def _beside(self, run: StoredRun) -> str:
        """What the linear model on g(r) has on the same test split, if that is known."""
        score = self.linear.get(run.tags.get(tag.DATASET_DIGEST, ""))
        said = "" if score is None else score.beside(run)
        return said and f"{said[0].upper()}{said[1:]}, which has {score} on the same test split."

    def _parts(self, run: StoredRun, children: Sequence[StoredRun]) -> Entry:
        members = [child for child in children if child.stage == TRAIN]
        kind, parts = ("cross-validation", "folds") if tag.FOLDS in run.tags else ("replicates", "replicates")
        return Entry(
            run=run,
            kind=kind,
            body=description(run),
            curve=self._overlay(members),
            children=[self._training(child) for child in members],
            missing=[] if members else [f"There are no {parts}: none was started."],
        )

    def _sweep(self, run: StoredRun, children: Sequence[StoredRun]) -> Entry:
        table, note = self.artifacts.table(run, TRIALS_TABLE)
        names = [name for name in self.artifacts.names(run) if name.endswith(".png")]
        missing = f"There is no table of the trials: the run has no {TRIALS_TABLE} that can be read."
        return Entry(
            run=run,
            kind=f"sweep, {len(children)} trials",
            body=description(run),
            curve=self._overlay(children),
            table=table,
            table_note=note,
            pictures=self.artifacts.pictures(run, names[:MOST_SWEEP_PICTURES]),
            missing=[] if table else [missing],
        )

    def _other(self, run: StoredRun, children: Sequence[StoredRun], is_top_level: bool = True) -> Entry:
        if not run.stage:
            step = run.tags.get(tag.ENTRY_POINT)
            sentence = "This run was not made by a command of this project; only its name is known."
            if step is not None:
                sentence = f"This run was started for {step}, and ended before that began: nothing was recorded."
                if run.status == "RUNNING":
                    sentence = (
                        f"This run was started for {step}, which is about to begin or was killed before it began."
                    )
            return Entry(run=run, kind=step or "other run", missing=[sentence])
        known = PICTURES.get(run.stage, ())
        present = self.artifacts.names(run) if known else ()
        shown = self.artifacts.pictures(run, [name for name in known if name in present])
        missing = []
        if run.stage == TRANSFER and run.status == "FINISHED":
            # Of several models, each has its curve if it has one; the matrix is with their parent.
            groups = [known, [TRANSFER_TABLE]] if is_top_level else [[TRANSFER_TABLE]]
            missing = [f"The run has no {' or '.join(group)}." for group in groups if not set(group) & set(present)]
        missing += [f"{name} cannot be shown." for name in known if name in present and name not in shown]
        return Entry(
            run=run,
            kind=run.stage,
            body=description(run),
            pictures=shown,
            children=[self._other(child, (), is_top_level=False) for child in children],
            missing=missing,
        )

    def _overlay(self, runs: Sequence[StoredRun]) -> Markup | None:
        return overlay_picture([(self.curves.get(run.run_id, {}).get("val_accuracy", ()), run.fate) for run in runs])


def description(run: StoredRun) -> str:
    """The Markdown of a run's page, without links that work only there."""
    return PAGE_LINK.sub("", run.description)


def caption(run: StoredRun) -> str:
    """The settings of a training run in the order of the research log."""

    def value(name: str) -> str:
        return run.params.get(name, NOT_RECORDED).strip("'\"") or NOT_RECORDED

    labels = {name: given(run, name) for name in ("version", "step", "trial")}
    label = ", ".join(f"{name} {text}" for name, text in labels.items() if text is not None)
    schedule = value("schedule")
    how, final = f"schedule {schedule}", f", final {value('final_learning_rate')}"
    if schedule == "threshold":
        how += f" at validation accuracy {value('eta_threshold')}"
    elif schedule == "constant":
        final = ""
    else:
        length = value("schedule_length")
        how += f" over {value('iterations') if length in ('auto', 'None') else length} iterations"
    augment = {"true": "on", "false": "off"}.get(value("augment").lower(), value("augment"))
    return "; ".join(
        (
            label or "no version, step or trial given",
            f"{value('model')} on {run.tags.get('dataset', value('dataset'))}",
            f"initial learning rate {value('learning_rate')}{final}, {how}",
            f"batch size {value('batch_size')}",
            f"L2 {value('l2')}",
            f"dropout {value('dropout')}",
            f"augmentation {augment}",
            f"seed {value('seed')}, {value('iterations')} iterations",
        )
    )


def results(run: StoredRun) -> str:
    """Best and final validation accuracy, test accuracy with count and interval, and the largest drop."""
    best, final, drop = (percent(run, name) for name in ("best_val_accuracy", "final_val_accuracy", "largest_drop"))
    iteration = f" in iteration {run.metrics['best_iteration']:.0f}" if "best_iteration" in run.metrics else ""
    return f"Best validation accuracy {best}{iteration}; final {final}; test {test_accuracy(run)}; largest drop {drop}."


def test_accuracy(run: StoredRun) -> str:
    """Test accuracy with its count and 95 % interval."""
    text = percent(run, "test_accuracy")
    try:
        images, low, high = (run.metrics[f"test_{name}"] for name in ("images", "accuracy_low", "accuracy_high"))
        right = run.metrics["test_accuracy"] * images
    except KeyError:
        return text
    return f"{text} ({right:.0f} of {images:.0f}, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"


def percent(run: StoredRun, metric: str) -> str:
    """A metric in per cent."""
    return f"{100 * run.metrics[metric]:.2f} %" if metric in run.metrics else NOT_RECORDED


def with_fate(runs: Iterable[StoredRun], fate: Fate) -> int:
    """How many training runs had a fate."""
    return sum(run.fate is fate for run in runs)


def given(run: StoredRun, name: str) -> str | None:
    """A setting of a training run: out of its tags, or, of one that was ended before it set them, as it was typed."""
    typed = run.params.get(name, "").strip("'\"")
    return run.tags.get(name) or (typed if typed not in ("", "none") else None)

"""From the runs of an experiment to the content of the report."""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import StringIO

from markupsafe import Markup

from glassliquid.report import entries as content
from glassliquid.report.artifacts import data_address
from glassliquid.report.curves import overlay_picture
from glassliquid.report.entries import Entry
from glassliquid.report.markdown import to_html
from glassliquid.tracking.history import Curve, Experiment, PastRun

PICTURES = {
    content.TRANSFER: ("transfer.png", "matrix.png"),
    "evaluate": ("evaluation.png",),
    "visualize": ("attribution.png", "filters.png", "certain_and_wrong.png"),
}
"""Pictures that the report shows of a stage, where a run has them. Trainings and sweeps have curves instead."""
EXPECTED = {content.TRANSFER: (("transfer.png", "matrix.png"), ("transfer.csv",))}
"""Artifacts of a stage of which a finished run has one of each group."""
EXAMPLES = "examples.png"
TRIALS = "trials.csv"
MOST_SWEEP_PICTURES = 4
MOST_ROWS = 200
PAGE_LINK = re.compile(r"\[[^\]]*\]\(#/[^)]*\)\n*")
"""A link within MLflow's page, which leads nowhere from this one."""
RUN_ID = re.compile("[0-9a-f]{32}")
PICTURE_ALLOWANCE = 10_000_000
"""Characters of pictures in one report; what comes later is left out, and said to be. With the curves, about 3 kB a run,
a report of a thousand runs stays under 20 MB."""


@dataclass
class Artifacts:
    """The artifacts of runs, and how much of the allowance for pictures is left."""

    names: Callable[[str], Sequence[str]]
    """The files of a run id."""
    read: Callable[[str, str], bytes | None]
    """The content of a file of a run id; None if it cannot be had."""
    allowance: int = PICTURE_ALLOWANCE
    left_out: int = 0
    """How many pictures did not fit."""
    _known: dict[str, Sequence[str]] = field(default_factory=dict)

    def listed(self, run: PastRun) -> Sequence[str]:
        """The files of a run, asked for once."""
        if run.run_id not in self._known:
            self._known[run.run_id] = self.names(run.run_id)
        return self._known[run.run_id]

    def picture(self, run: PastRun, name: str) -> str | None:
        """A picture as a data address; None if it is missing, damaged or too much."""
        raw = self.read(run.run_id, name)
        address = None if raw is None else data_address(raw)
        if address is None:
            return None
        if len(address) > self.allowance:
            self.left_out += 1
            return None
        self.allowance -= len(address)
        return address


def assemble(
    experiment: Experiment,
    runs: Sequence[PastRun],
    curves: Mapping[str, Mapping[str, Curve]],
    artifacts: Artifacts,
    made: datetime,
    since: datetime | None,
) -> content.Log:
    """The content of the report.

    Args:
        experiment: where the runs are from.
        runs: those to tell of, oldest first, at least one.
        curves: run id to metric to points, for trainings and trials.
        artifacts: the runs' artifacts.
        made: the time of the report.
        since: the time after which runs are told of, if that was asked for.
    """
    builder = _Builder(experiment, curves, artifacts)
    by_id = {run.run_id: run for run in runs}
    children: dict[str, list[PastRun]] = {}
    top = []
    for run in runs:
        parent = by_id.get(run.parent or "")
        if parent is not None and (parent.stage in (content.SWEEP, content.TRANSFER) or "repeats" in parent.tags):
            children.setdefault(parent.run_id, []).append(run)
        elif run.stage not in content.LEFT_OUT and not _says_nothing(run):
            top.append(run)
    trained = [run for run in content.trainings(runs) if not _says_nothing(run)]
    unfinished = [run for run in runs if run.status != "FINISHED" and run.stage not in content.LEFT_OUT]
    datasets = builder.datasets(runs, trained)
    return content.Log(
        experiment=experiment.name,
        address=experiment.address,
        made=made,
        since=since,
        first=runs[0].started,
        last=runs[-1].started,
        counts={
            "trainings": len(trained),
            "datasets": len(datasets),
            "collapsed": sum(map(content.is_collapsed, trained)),
            "unfinished": len(unfinished),
        },
        best=content.best_rows(trained),
        stability=content.stability_rows(trained),
        sentences=[(run, to_html(_conclusion(run))) for run in top if _conclusion(run)],
        datasets=datasets,
        days=content.by_day(builder.entry(run, children.get(run.run_id, [])) for run in top),
        unfinished=unfinished,
        all_curves=set(content.EVERY_ITERATION) <= set(content.drawn_metrics(runs)),
    )


@dataclass(frozen=True)
class _Builder:
    """Makes entries of runs."""

    experiment: Experiment
    curves: Mapping[str, Mapping[str, Curve]]
    artifacts: Artifacts

    def entry(self, run: PastRun, children: Sequence[PastRun]) -> Entry:
        """One run with its children, by what it is."""
        if run.stage == content.SWEEP:
            return self._sweep(run, children)
        if run.stage == content.TRAIN and "repeats" in run.tags:
            return self._replicates(run, children)
        if run.stage in (content.TRAIN, content.TRIAL):
            return self._training(run)
        return self._other(run, children)

    def datasets(self, runs: Sequence[PastRun], trained: Sequence[PastRun]) -> list[content.DatasetRow]:
        """A row for each dataset that was made or trained on, by name and digest."""
        used = [run for run in runs if "dataset_digest" in run.tags]
        rows = []
        for name, digest in dict.fromkeys(map(_dataset, used)):
            # The newest first; one that found the dataset made already has drawn it again all the same.
            makers = [
                run for run in reversed(used) if run.stage == content.MAKE_DATA and _dataset(run) == (name, digest)
            ]
            pictures = (self.artifacts.picture(maker, EXAMPLES) for maker in makers)
            picture = next((found for found in pictures if found is not None), None)
            lacking = ""
            if not makers:
                lacking = "no picture: it was not made by a make_data run of this report"
            elif picture is None:
                lacking = f"no picture: the run that made it has no {EXAMPLES} that can be read"
            rows.append(
                content.DatasetRow(
                    name=name,
                    digest=digest,
                    facts=next(filter(None, map(self._facts, makers)), ["how it was made is not recorded here"]),
                    picture=picture,
                    lacking=lacking,
                    runs=sum(_dataset(run) == (name, digest) for run in trained),
                )
            )
        return rows

    def _facts(self, maker: PastRun) -> list[str]:
        """How a dataset was made, from the dataset.json of a run that made it; empty if that cannot be read."""
        raw = self.artifacts.read(maker.run_id, "dataset.json")
        try:
            value = json.loads(raw or b"")
            recipe, temperatures, images = value["recipe"], value["temperatures"], value["images"]
            return [
                f"liquid {recipe['liquid']} (T = {temperatures['liquid']:.3g})",
                f"glass {recipe['glass']} (T = {temperatures['glass']:.3g})",
                f"ensemble {recipe['ensemble']}" + (", inherent structures" if recipe["inherent"] else ""),
                f"{' + '.join(str(count) for count in images.values())} images of {recipe['image_size']} pixels for "
                f"{', '.join(images)}",
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            return []

    def _training(self, run: PastRun) -> Entry:
        entry = content.training_entry(run, self.curves.get(run.run_id, {}), self.experiment.page(run.run_id))
        return replace(entry, lacking=[*entry.lacking, *_error(run)])

    def _replicates(self, run: PastRun, children: Sequence[PastRun]) -> Entry:
        members = [child for child in children if child.stage == content.TRAIN]
        return replace(
            self._plain(run, "replicates"),
            curve=self._overlay(members),
            children=[self._training(child) for child in members],
            lacking=[*_error(run), *([] if members else ["There are no replicates: none was started."])],
        )

    def _sweep(self, run: PastRun, children: Sequence[PastRun]) -> Entry:
        lacking = _error(run)
        table, note = self._table(run, TRIALS)
        if not table:
            lacking.append(f"There is no table of the trials: the run has no {TRIALS} that can be read.")
        names = [name for name in self.artifacts.listed(run) if name.endswith(".png")][:MOST_SWEEP_PICTURES]
        entry = self._plain(run, f"sweep, {len(children)} trials")
        return replace(
            entry,
            curve=self._overlay(children),
            table=table,
            table_note=note,
            pictures=self._pictures(run, names),
            lacking=lacking,
        )

    def _other(self, run: PastRun, children: Sequence[PastRun], alone: bool = True) -> Entry:
        present = self.artifacts.listed(run) if run.stage in PICTURES else ()
        lacking = _error(run)
        if run.status == "FINISHED":
            # A model that is one of several has its curve if it has one; the matrix is with them all.
            groups = EXPECTED.get(run.stage, ())
            for group in groups if alone else groups[1:]:
                if not any(name in present for name in group):
                    lacking.append(f"The run has no {' or '.join(group)}.")
        wanted = [name for name in PICTURES.get(run.stage, ()) if name in present]
        pictures = self._pictures(run, wanted)
        lacking += [f"{name} cannot be shown." for name in wanted if name not in dict(pictures)]
        return replace(
            self._plain(run, run.stage or "other run"),
            pictures=pictures,
            lacking=lacking if run.stage else ["This run is no step of this project; only its name is known."],
            children=[self._other(child, (), alone=False) for child in children],
        )

    def _plain(self, run: PastRun, kind: str) -> Entry:
        return Entry(
            run=run,
            link=self.experiment.page(run.run_id),
            kind=kind,
            badges=content.badges(run),
            body=to_html(PAGE_LINK.sub("", run.description)) if run.stage else Markup(),
        )

    def _overlay(self, runs: Sequence[PastRun]) -> Markup | None:
        points = [(self.curves.get(run.run_id, {}).get("val_accuracy", ()), content.is_collapsed(run)) for run in runs]
        return overlay_picture(points)

    def _pictures(self, run: PastRun, names: Sequence[str]) -> list[tuple[str, str]]:
        shown = ((name, self.artifacts.picture(run, name)) for name in names)
        return [(name, address) for name, address in shown if address is not None]

    def _table(self, run: PastRun, name: str) -> tuple[list[list[str]], str]:
        """A CSV artifact as rows, the head first, and a note if rows were left out."""
        raw = self.artifacts.read(run.run_id, name)
        if raw is None:
            return [], ""
        try:
            rows = [row for row in csv.reader(StringIO(raw.decode("utf-8"))) if row]
        except (UnicodeDecodeError, csv.Error):
            return [], ""
        note = (
            f"The first {MOST_ROWS} of {len(rows) - 1} rows; all are in {name} of the run."
            if len(rows) > MOST_ROWS + 1
            else ""
        )
        return [[_short(cell) for cell in row] for row in rows[: MOST_ROWS + 1]], note


def _dataset(run: PastRun) -> tuple[str, str]:
    return run.tags.get("dataset", content.NOT_RECORDED), run.tags.get("dataset_digest", content.NOT_RECORDED)


def _conclusion(run: PastRun) -> str:
    """What a transfer evaluation or a sweep found, in a sentence or a paragraph."""
    if run.stage == content.TRANSFER:
        return run.tags.get("sentence") or run.description.split("\n\n")[0]
    if run.stage != content.SWEEP:
        return ""
    paragraphs = PAGE_LINK.sub("", run.description).split("\n\n")
    start = next((place for place, text in enumerate(paragraphs) if text.startswith("Best of")), 0)
    return "\n\n".join(
        [paragraphs[start], *(text for text in paragraphs[start + 1 : start + 2] if text.startswith("Its "))]
    )


def _error(run: PastRun) -> list[str]:
    """Why a run ended early, if it said so; one that was continued and has finished since keeps its old words."""
    return [f"Reason given: {run.tags['error']}"] if "error" in run.tags and run.status != "FINISHED" else []


def _says_nothing(run: PastRun) -> bool:
    """Whether a run ended before it had done anything; such runs stand in the list of those that did not finish."""
    return run.status == "FAILED" and not run.metrics


def _short(cell: str) -> str:
    """A number with at most six digits, a run id with eight; anything else as it is."""
    if RUN_ID.fullmatch(cell):
        return cell[:8]
    try:
        return cell if cell.isdigit() else f"{float(cell):.6g}"
    except ValueError:
        return cell

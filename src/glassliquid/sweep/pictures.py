"""Pictures of a study, drawn by Optuna: as matplotlib figures, and interactive ones on a page that needs no network."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from glassliquid.sweep.space import BATCH_SIZE, LOGARITHMIC
from glassliquid.sweep.study import PRUNED, Row, Study

VALUE = "validation accuracy"


def figures(study: Study, rows: list[Row], names: list[str]) -> Iterator[tuple[str, Any]]:
    """Give each picture's name and figure: history, importances, slice and contour, those that there are data for.

    Importances and contours need accuracies that differ and two settings that were varied; the contours are those of the
    two that explain most.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as draw

    plain, varied = _plain(study, rows), _varied(rows, names)
    drawn: list[tuple[str, str, Callable[[], Any]]] = [
        ("history", "Trials in their order", lambda: draw.plot_optimization_history(plain, target_name=VALUE))
    ]
    if varied:
        drawn.append(("slice", "Trials by one setting each", lambda: draw.plot_slice(plain, varied, target_name=VALUE)))
    if shares := importances(study, rows, names):
        first_two = sorted(shares, key=lambda name: shares[name], reverse=True)[:2]
        title = "Between the trials (dots) the accuracy is interpolated"
        drawn.append(("contour", title, lambda: draw.plot_contour(plain, first_two, target_name=VALUE)))
        title = "Share of the variance that a setting explains"
        drawn.append(
            (
                "importances",
                title,
                lambda: draw.plot_param_importances(plain, _evaluator(), varied, target_name=VALUE),
            )
        )
    for name, title, make in drawn:
        with _quiet():
            axes = make()
            figure = (axes if hasattr(axes, "figure") else axes.flat[0]).figure
            _lay_out(figure, title)
            # `tight` puts the last of several slices beneath the colour bar; `constrained` cannot lay out contours or one slice.
            figure.set_layout_engine("constrained" if name == "slice" and len(varied) > 1 else "tight")
        try:
            yield name, figure
        finally:
            pyplot.close(figure)


def _lay_out(figure: Any, title: str) -> None:
    """Say what is seen, and keep the labels apart, which Optuna lets run into each other."""
    from matplotlib.ticker import LogLocator

    for axes in figure.axes:
        axes.set_title("")
        axes.set_title("", loc="left")
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_minor_locator(LogLocator(subs=(2, 5)))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_formatter("{x:g}")
        if axes.get_xlabel() in LOGARITHMIC or axes.get_xlabel() == BATCH_SIZE:
            axes.tick_params(axis="x", which="both", rotation=90)
    figure.suptitle(title)


def page(study: Study, rows: list[Row], names: list[str]) -> str:
    """An HTML page with the parallel coordinates of all trials and the other pictures, to be looked at closely."""
    from optuna import visualization as draw

    plain, varied = _plain(study, rows), _varied(rows, names)
    drawn: list[Callable[[], Any]] = [
        lambda: draw.plot_parallel_coordinate(plain, varied or None, target_name=VALUE),
        lambda: draw.plot_optimization_history(plain, target_name=VALUE),
        lambda: draw.plot_intermediate_values(plain),
    ]
    if varied:
        drawn.append(lambda: draw.plot_slice(plain, varied, target_name=VALUE))
    if len(varied) > 1 and _differ(rows):
        drawn.append(lambda: draw.plot_contour(plain, varied, target_name=VALUE))
        drawn.append(lambda: draw.plot_param_importances(plain, _evaluator(), varied, target_name=VALUE))
    parts: list[str] = []
    for make in drawn:
        with _quiet():
            # The first picture brings plotly's code along, for all.
            parts.append(make().to_html(full_html=False, include_plotlyjs=not parts))
    head = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Sweep</title></head><body>'
    return "\n".join([head, *parts, "</body></html>"])


def importances(study: Study, rows: list[Row], names: list[str]) -> dict[str, float]:
    """How much of the accuracy's variance over the search space each setting explains, as shares of 1; empty if unknown.

    Functional analysis of variance with random forests (Hutter, Hoos and Leyton-Brown, ICML 2014). Optuna's default,
    PED-ANOVA, asks another question: what sets the best tenth of the trials apart. On the grid of docs/RESULTS.md, where
    the batch size explains 0.89 of the variance, it answers 0.23.
    """
    import optuna

    varied = _varied(rows, names)
    if len(varied) < 2 or not _differ(rows):
        return {}
    with _quiet():
        found = optuna.importance.get_param_importances(_plain(study, rows), evaluator=_evaluator(), params=varied)
    return {name: float(share) for name, share in found.items()}


def _evaluator() -> Any:
    from optuna.importance import FanovaImportanceEvaluator

    return FanovaImportanceEvaluator(seed=0)


def _plain(study: Study, rows: list[Row]) -> Any:
    """A copy of the study in memory without what is not a result, such as trials that were killed or queued twice."""
    import optuna

    wanted = {row.number for row in rows if row.value is not None or row.state == PRUNED}
    copy = optuna.create_study(study_name=study.name, direction="maximize")
    copy.add_trials([trial for trial in study.optuna.get_trials(deepcopy=False) if trial.number in wanted])
    return copy


def _varied(rows: list[Row], names: list[str]) -> list[str]:
    """The settings of which complete trials have more than one value."""
    complete = [row for row in rows if row.value is not None]
    return [name for name in names if len({row.settings[name] for row in complete}) > 1]


def _differ(rows: list[Row]) -> bool:
    values = {row.value for row in rows if row.value is not None}
    return len(values) > 1 and len([row for row in rows if row.value is not None]) > 3


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's notes that its pictures are new."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

"""Pictures of a study, drawn by Optuna: as matplotlib figures, and interactive ones on a page that needs no network."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator

from glassliquid.sweep.space import BATCH_SIZE, LOGARITHMIC
from glassliquid.sweep.study import State, Study, TrialRecord

VALUE = "validation accuracy"
TITLES = {
    "history": "Trials in order",
    "slice": "Trials against each setting",
    "contour": "Between the trials (dots) the accuracy is interpolated",
    "importances": "Fraction of the variance that a setting explains",
}


class Pictures:
    """What can be drawn of some trials of a study."""

    importances: dict[str, float]
    """How much of the accuracy's variance over the search space each setting explains, as shares of 1; empty if unknown.

    Functional analysis of variance with random forests (Hutter, Hoos and Leyton-Brown, ICML 2014). Optuna's default,
    PED-ANOVA, asks another question: what sets the best tenth of the trials apart. On the grid of docs/RESULTS.md, where
    the batch size explains 0.89 of the variance, it answers 0.23.
    """

    def __init__(self, study: Study, trials: Sequence[TrialRecord], names: Sequence[str]) -> None:
        """Copy the study in memory without what is not a result, such as trials that were killed."""
        complete = [trial for trial in trials if trial.value is not None]
        results = {trial.number for trial in trials if trial.value is not None or trial.state == State.PRUNED}
        self._study = optuna.create_study(study_name=study.name, direction="maximize")
        self._study.add_trials([trial for trial in study.optuna.get_trials(deepcopy=False) if trial.number in results])
        self._varied = [name for name in names if len({trial.settings[name] for trial in complete}) > 1]
        self._evaluator = FanovaImportanceEvaluator(seed=0)
        self.importances = {}
        if len(self._varied) > 1 and len(complete) > 3 and len({trial.value for trial in complete}) > 1:
            found = optuna.importance.get_param_importances(self._study, evaluator=self._evaluator, params=self._varied)
            self.importances = {name: float(share) for name, share in found.items()}

    def figures(self) -> Iterator[tuple[str, Any]]:
        """Each picture's name and figure, those that there are data for.

        Importances and contours need accuracies that differ and two settings that were varied; the contours are those of
        the two that explain most.
        """
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
        from optuna.visualization import matplotlib as draw

        explain_most = sorted(self.importances, key=lambda name: self.importances[name], reverse=True)[:2]
        for name, axes in self._drawn(draw, explain_most).items():
            figure = (axes if hasattr(axes, "figure") else axes.flat[0]).figure
            _lay_out(figure, TITLES[name])
            # `tight` puts the last of several slices beneath the colour bar; `constrained` cannot lay out contours or one slice.
            figure.set_layout_engine("constrained" if name == "slice" and len(self._varied) > 1 else "tight")
            yield name, figure
            pyplot.close(figure)

    def page(self) -> str:
        """An HTML page with the parallel coordinates of all trials and the other pictures, to be looked at closely."""
        from optuna import visualization as draw

        drawn = [
            draw.plot_parallel_coordinate(self._study, self._varied or None, target_name=VALUE),
            draw.plot_intermediate_values(self._study),
            *self._drawn(draw, self._varied).values(),
        ]
        for each in drawn:
            each.update_layout(template="plotly_white")
        # The first picture brings plotly's code along, for all.
        parts = [each.to_html(full_html=False, include_plotlyjs=each is drawn[0]) for each in drawn]
        head = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Sweep</title></head><body>'
        return "\n".join([head, *parts, "</body></html>"])

    def _drawn(self, draw: Any, contours: list[str]) -> dict[str, Any]:
        """The pictures that both of Optuna's modules draw."""
        study = self._study
        with warnings.catch_warnings():  # it notes each time that they are new
            warnings.simplefilter("ignore")
            drawn = {"history": draw.plot_optimization_history(study, target_name=VALUE)}
            if self._varied:
                drawn["slice"] = draw.plot_slice(study, self._varied, target_name=VALUE)
            if self.importances:
                drawn["contour"] = draw.plot_contour(study, contours, target_name=VALUE)
                drawn["importances"] = draw.plot_param_importances(
                    study, self._evaluator, self._varied, target_name=VALUE
                )
        return drawn


def _restyle(axes: Any) -> None:
    """White, framed and in black, as all other figures are, and with no accuracy above 1."""
    axes.set_facecolor("white")
    for line in (*axes.get_xgridlines(), *axes.get_ygridlines()):
        line.set_color("0.85")
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor="black", linewidth=0.8)
    axes.tick_params(which="both", colors="black")
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color("black")
    if (legend := axes.get_legend()) is not None:
        legend.get_frame().set(facecolor="white", edgecolor="0.8")
    if axes.get_ylabel() == VALUE and 1 < axes.get_ylim()[1] < 2:
        axes.set_ylim(top=1)
    if axes.get_ylim()[1] == 1:
        for points in axes.collections:
            points.set_clip_on(False)


def _lay_out(figure: Any, title: str) -> None:
    """Say what is seen, and keep the labels apart, which Optuna lets run into each other."""
    from matplotlib.ticker import LogLocator

    for axes in figure.axes:
        _restyle(axes)
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

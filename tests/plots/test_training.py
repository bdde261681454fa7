"""Curves of training runs: what is told apart, what the axes show, and that little data is drawn too."""

import io
import warnings

import pytest
from matplotlib.figure import Figure

from glassliquid.evaluation.fate import Fate
from glassliquid.plots.training import History, replicates_figure, training_figure


def history(accuracies: list[float]) -> History:
    iterations = range(1, len(accuracies) + 1)
    return {
        "val_accuracy": list(zip(iterations, accuracies, strict=True)),
        "loss": [(iteration, 0.7 / iteration) for iteration in iterations],
        "learning_rate": [(iteration, 0.001 if iteration < 3 else 0.0001) for iteration in iterations],
    }


def drawn(figure: Figure) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), bbox_inches="tight")
    return figure


def test_eight_replicates_are_told_apart_in_grey_by_their_dashes_and_markers_within_each_fate():
    fates = [Fate.STAYED, Fate.COLLAPSED, Fate.NEVER_LEARNED] * 2 + [Fate.COLLAPSED, Fate.NEVER_LEARNED]
    curves = {f"replicate {place}": (history([0.5, 1.0, 0.5]), fate) for place, fate in enumerate(fates)}
    accuracy, loss = drawn(replicates_figure(curves, "eight")).axes
    lines = accuracy.get_lines()[: len(fates)]
    looks = {(line._dash_pattern[1] and tuple(line._dash_pattern[1]), line.get_marker()) for line in lines}
    assert len(looks) == len(fates)
    (legend,) = [axes.get_legend() for axes in (accuracy, loss) if axes.get_legend() is not None]
    assert [text.get_text() for text in legend.get_texts()][1:3] == [
        "replicate 1, collapsed",
        "replicate 2, never learned",
    ]
    assert legend.get_window_extent().x0 >= accuracy.get_window_extent().x1


def test_the_axis_shows_an_accuracy_below_chance_and_ends_at_one():
    _, accuracy, rate = drawn(training_figure(history([0.5, 1 / 3, 1.0]), "one")).axes
    low, high = accuracy.get_ylim()
    assert low < 1 / 3
    assert high == 1
    assert rate.get_lines()[0].get_drawstyle() == "steps-mid"


@pytest.mark.parametrize("iterations", [1, 4])
def test_a_run_that_was_stopped_before_its_first_validation_is_drawn(iterations):
    """Without a warning of matplotlib, and with whole iterations on the axis."""
    found = {key: values for key, values in history([0.5] * iterations).items() if key != "val_accuracy"}
    *_, rate = drawn(training_figure(found, "stopped")).axes
    low, high = rate.get_xlim()
    ticks = [tick for tick in rate.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)

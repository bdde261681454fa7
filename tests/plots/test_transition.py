import numpy as np
import pytest

from glassliquid.ensembles.thermodynamics import MeasuredTransition
from glassliquid.evaluation.confusion import confusion_curve
from glassliquid.evaluation.glass_transition import POTENTIAL, GlassTransition, NoTransition, find_glass_transition
from glassliquid.evaluation.order_parameter import order_parameter
from glassliquid.evaluation.transition_summary import Findings, answers_table, metrics, sentence
from glassliquid.physics.protocol import snapshot_at, temperature
from glassliquid.plots.cooling import ASSUMED, mark_of
from glassliquid.plots.transition import transition_figure
from tests.evaluation.test_confusion import GUESSES, SAMPLES, answers, of_two_states
from tests.evaluation.test_glass_transition import MARKS, invented


def findings(change: int, kink: float) -> tuple[Findings, np.ndarray]:
    """Invented answers: energies with a kink, and networks that see a change."""
    generator = np.random.default_rng(0)
    energies = invented(100, kink, generator)
    curve = confusion_curve(answers(0.95 * of_two_states(change) + 0.025, generator), SAMPLES, GUESSES, generator)
    evidence = np.where(np.array(SAMPLES) >= change, 2.0, -2.0) + generator.normal(size=(1, 60, len(SAMPLES)))
    order = order_parameter(evidence[:, :, [0, -1]], evidence, SAMPLES, generator)
    found = Findings(
        "invented",
        "compact",
        True,
        (find_glass_transition(energies, MARKS, POTENTIAL, generator),),
        {"compact": curve},
        {"compact": order},
        None,
        (),
    )
    return found, energies


def test_the_figure_has_the_three_answers_on_one_axis():
    found, energies = findings(130, temperature(130))
    points = (tuple(MARKS), energies.mean(axis=0), energies.std(axis=0) / 10)
    figure = transition_figure(found, [points], sentence(found))
    labels = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]
    assert any(label.startswith("$T_g$ = 0.7") for label in labels)
    assert "compact: maximum at T = 0.733" in labels
    assert any(label.startswith("compact: one half at T = 0.7") for label in labels)
    low, high = figure.axes[0].get_xlim()
    assert low > MARKS[0]  # hot on the left
    assert high < MARKS[-1]


def test_answers_that_agree_are_said_to_agree_and_others_not():
    together, apart = findings(130, temperature(128))[0], findings(60, temperature(128))[0]
    assert "The three answers agree within their intervals." in sentence(together)
    assert (
        "The three answers disagree: no overlap of the energies with learning by confusion and the energies with P(glass)."
        in sentence(apart)
    )


def test_table_and_metrics_have_every_answer():
    found, _ = findings(130, temperature(128))
    (transition,) = found.energies
    assert isinstance(transition, GlassTransition)
    values = metrics(found)
    assert values["glass_transition"] == transition.temperature
    assert values["confusion_compact"] == temperature(130)
    # The colder end of an interval of indices is its upper end.
    assert values["half_glass_compact_low"] <= values["half_glass_compact"] <= values["half_glass_compact_high"]
    table = answers_table(found)
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "T_g",
        "learning by confusion",
        "P(glass) = 1/2",
    ]
    none = Findings("x", "compact", True, (NoTransition(POTENTIAL, "it is straight"),), {}, {}, None, ())
    assert "| none" in answers_table(none)
    assert sentence(none).startswith("x: the potential energy shows no T_g (it is straight).")


def test_figures_mark_the_measured_tg_or_the_logs():
    measured = MeasuredTransition(
        ensemble_digest="0" * 16, observable="potential energy", temperature=0.62, low=0.6, high=0.65
    )
    assert mark_of(measured).temperature == 0.62
    assert mark_of(measured).label == "measured $T_g$ = 0.62 (0.60 to 0.65)"
    assert mark_of(None) is ASSUMED
    assert "log's assumed $T_g$ = 0.21" in ASSUMED.label


@pytest.mark.parametrize("index", [0, 0.5, 183, 200])
def test_the_index_of_a_temperature_is_the_inverse_of_the_temperature_of_an_index(index: float):
    assert snapshot_at(temperature(index)) == pytest.approx(index)

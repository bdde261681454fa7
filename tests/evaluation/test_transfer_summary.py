"""The sentence and the tables of invented models."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest

from glassliquid.datasets.description import Recipe
from glassliquid.evaluation.scan import scan_cooling
from glassliquid.evaluation.transfer_summary import (
    ModelTransfer,
    TransferRow,
    beside_linear,
    comparison_table,
    csv_table,
    markdown_table,
    scan_metrics,
    sentence,
)
from glassliquid.physics.protocol import temperature
from glassliquid.plots.transfer import Compared, comparison_figure, matrix_figure, transfer_figure
from tests.evaluation.test_scan import COARSE, STORED, Invented, turns


def result_of(
    model: Invented, liquid: int = 5, coarse: tuple[int, ...] = COARSE, is_scan: bool = True
) -> ModelTransfer:
    recipe = Recipe(
        source="simulate",
        ensemble="demo",
        ensemble_digest="0" * 16,
        liquid=liquid,
        glass=200,
        image_size=64,
        window=1.0,
        inherent=False,
    )
    scan = scan_cooling(model, STORED, coarse, 200, trained=liquid, refine=is_scan)
    rows = tuple(
        TransferRow("m v3", "data_x", f"data_liquid{index}", "demo", index, 200, index == liquid, point)
        for index, point in scan.points.items()
    )
    return ModelTransfer("m v3", "compact", "data_x", recipe, rows, scan if is_scan else None, ())


def test_where_a_model_is_no_better_than_the_linear_one_is_said_in_short():
    result = result_of(Invented(turns(121.7)), coarse=(5, 45, 60), is_scan=False)
    liquids = replace(result, rows=tuple(replace(row, data=f"liquid {row.liquid}") for row in result.rows))
    assert beside_linear(liquids, liquids).notes[0].endswith(" on liquid 5, 45 and 60.")
    assert beside_linear(result, result).notes[0].endswith(" on data_liquid5, data_liquid45 and data_liquid60.")


def test_the_sentence_of_a_model_that_breaks_down():
    result = result_of(Invented(turns(121.7)))
    found = re.fullmatch(
        r"m v3 \(trained on liquid 5, T = 1.95\) holds to T = (0\.8\d) \+- (0\.0\d) \(index 121\.\d, 95 % interval (1\d\d\.\d) to "
        r"(1\d\d\.\d): there its accuracy falls below 75 %, in 100 simulations that it was not trained on\) and calls everything "
        r"glass below T = 0\.\d+\. Mean P\(glass\) passes one half at T = 0\.8\d \+- 0\.0\d \(index 12\d\.\d\)\.",
        sentence(result),
    )
    assert found, sentence(result)
    temperature, half, low, high = map(float, found.groups())
    assert temperature == pytest.approx(2 - 1.95 * 121.7 / 200, abs=0.01)
    assert half == pytest.approx(1.95 / 200 * (high - low) / 2, abs=0.006)
    metrics = scan_metrics(result.scan)
    # The temperature falls as the index rises, so the bounds change places.
    assert metrics["breakdown_temperature_low"] == pytest.approx(2 - 1.95 / 200 * metrics["breakdown_index_high"])
    assert (
        metrics["breakdown_temperature_low"] < metrics["breakdown_temperature"] < metrics["breakdown_temperature_high"]
    )


def test_the_sentence_of_a_model_that_holds_nowhere():
    found = sentence(result_of(Invented(turns(-50))))
    assert re.match(r"m v3 \(.*\) holds nowhere: its accuracy, in 100 simulations .*, is at most 50.0 %", found)


def test_the_sentence_of_a_model_of_the_transition():
    found = sentence(result_of(Invented(turns(188, 3), hot_limit=50), liquid=171))
    assert re.match(
        r"m v3 \(trained on liquid 171, T = 0.333\) holds to T = 0\.\d+ .* fails above T = 1.59 too\.", found
    )


def test_the_sentence_on_datasets_names_where_it_holds_and_where_not():
    found = sentence(result_of(Invented(turns(121.7)), coarse=(5, 171), is_scan=False))
    assert found == (
        "m v3 (trained on liquid 5, T = 1.95) holds on data_liquid5 (100.0 % of 200 images) and fails on data_liquid171 "
        "(50.0 % of 200 images; it calls everything glass)."
    )


def test_tables_have_a_row_for_each_index_and_mark_the_training_data():
    result = result_of(Invented(turns(121.7)))
    rows = list(csv.DictReader(io.StringIO(csv_table(result.rows))))
    assert [int(row["liquid"]) for row in rows] == list(result.scan.points)
    assert [row["liquid"] for row in rows if row["is_training"] == "True"] == ["5"]
    assert rows[0]["accuracy"] == "1" and rows[0]["right"] == "200"
    table = markdown_table(result.rows).splitlines()
    assert len(table) == len(rows) + 2
    assert "data_liquid5 (training)" in table[2]


@pytest.mark.parametrize("middle", [121.7, -50, 400])
def test_the_figure_marks_what_there_is(middle: float):
    scan = result_of(Invented(turns(middle))).scan
    linear = result_of(Invented(turns(135.0))).scan
    above, areas, below = transfer_figure(scan, 5, 200, "caption", linear=linear).axes
    labels = [line.get_label() for axes in (above, below) for line in axes.get_lines()]
    assert r"next to the log's assumed $T_g$ = 0.21" in labels
    assert {"training data: liquid 5", "training data: glass 200"} <= set(labels)
    assert ("falls below 75 %" in labels) == (scan.breakdown is not None)
    assert ("passes one half" in labels) == (scan.half_glass is not None)
    drawn = next(line for line in above.get_lines() if line.get_label() == "accuracy, both")
    np.testing.assert_allclose(drawn.get_ydata(), [point.accuracy for point in scan.points.values()])
    beside = next(line for line in above.get_lines() if line.get_label() == "the linear model on g(r), both")
    np.testing.assert_allclose(beside.get_ydata(), [point.accuracy for point in linear.points.values()])
    for axes in (above, areas, below):
        assert axes.get_ylim() == (0, 1)
        assert "the linear model on g(r)" in " ".join(line.get_label() for line in axes.get_lines())
        box = axes.get_legend().get_bbox_to_anchor().transformed(axes.transAxes.inverted())
        assert box.x0 > 1  # beside the curves, not on them
    upper = above.child_axes[0]
    ticks = dict(zip([each.get_text() for each in upper.get_xticklabels()], upper.get_xticks(), strict=True))
    for text, index in ticks.items():
        assert temperature(index) == pytest.approx(float(text))
    assert list(ticks)[:3] == ["0.2", "0.4", "0.6"]


def test_models_together_are_told_apart_without_colour():
    shown = [
        Compared(f"model {place}", result_of(Invented(turns(middle))).scan, 5, is_linear=place == 2)
        for place, middle in enumerate((121.7, 105, 135))
    ]
    above, below = comparison_figure(shown, "caption").axes
    lines = {line.get_label(): line for line in above.get_lines()}
    drawn = [lines[model.name] for model in shown]
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn}) == 3
    for model, line in zip(shown, drawn, strict=True):
        np.testing.assert_allclose(line.get_ydata(), [point.accuracy for point in model.scan.points.values()])
        orders = [point.p_glass for point in model.scan.points.values()]
        assert any(np.array_equal(other.get_ydata(), orders) for other in below.get_lines())


def test_the_matrix_shows_accuracy_count_and_interval():
    points = [row.point for row in result_of(Invented(turns(121.7)), coarse=(5, 171), is_scan=False).rows]
    axes = matrix_figure([points, points[::-1]], ["one", "two"], ["liquid 5", "liquid 171"]).axes[0]
    texts = [text.get_text() for text in axes.texts]
    low, high = (100 * bound for bound in points[0].accuracy_interval)
    right = f"100.0 % (200 of 200)\n{low:.1f} to {high:.1f}"
    assert (texts[0], texts[3]) == (right, right)  # one on liquid 5, two on liquid 171
    assert all(text.startswith("50.0 % (100 of 200)\n") for text in texts[1:3])


def test_the_matrix_of_many_models_or_data_is_legible_on_a_page():
    """At 110 pixels an inch, 13 liquids and 2 models are no wider than a page, and letters are at least 9 points."""
    points = [row.point for row in result_of(Invented(turns(121.7)), coarse=(5, 171), is_scan=False).rows]
    few = matrix_figure([points[:1] * 13] * 2, ["one", "two"], [f"liquid {k}" for k in range(13)])
    assert 110 * few.get_figwidth() < 1000
    many = matrix_figure([points[:1] * 13] * 12, ["one"] * 12, [f"liquid {k}" for k in range(13)])
    assert {text.get_text() for text in many.axes[0].texts} == {"100.0"}
    for figure in (few, many):
        assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 9


def test_the_table_of_several_models_has_a_column_for_each():
    one, two = (
        replace(result_of(Invented(turns(121.7)), coarse=(5, 171), is_scan=False), label=label) for label in ("a", "b")
    )
    head, _, first, last = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in comparison_table([one, two]).splitlines()
    )
    assert head == ["data", "T", "a (compact, data_x)", "b (compact, data_x)"]
    assert first[:2] == ["data_liquid5", "1.95"]
    assert first[2] == first[3]
    assert first[2].startswith("100.0 % (200 of 200; ")
    assert last[3].startswith("50.0 % (100 of 200; ")

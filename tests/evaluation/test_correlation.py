"""Correlations with physics, where what should come out is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from glassliquid.datasets.description import CLASSES
from glassliquid.evaluation.correlation import Correlation, ParticleSamples, correlate, rank_correlations
from glassliquid.evaluation.correlation_summary import csv_table, markdown_table, sentence
from glassliquid.physics.fields import FIELDS

SIMULATIONS, PARTICLES, OF_B = 24, 60, 20
MOVED = len(FIELDS) - 1


def samples(seed: int = 0, simulations: int = SIMULATIONS) -> ParticleSamples:
    """A glass and a liquid of each simulation; all numbers are independent."""
    generator = np.random.default_rng(seed)
    count = 2 * simulations
    return ParticleSamples(
        values={"attribution": generator.normal(size=(count, PARTICLES))},
        fields=generator.normal(size=(count, PARTICLES, len(FIELDS))),
        types=np.tile(np.arange(PARTICLES) < OF_B, (count, 1)).astype(np.int64),
        labels=np.tile([0, 1], simulations),
        simulations=np.repeat(np.arange(5, 5 + simulations), 2),
    )


def named(found: list[Correlation], column: str, value: str = "attribution") -> dict[tuple[str, str], Correlation]:
    return {(each.label, each.species): each for each in found if (each.field.column, each.value) == (column, value)}


def test_rank_correlations_are_those_of_scipy_ties_and_constants_included():
    generator = np.random.default_rng(0)
    first = np.column_stack([generator.normal(size=50), generator.integers(0, 4, 50)])
    second = np.column_stack([first[:, 0] ** 3, generator.integers(0, 3, 50), np.ones(50)])
    found = rank_correlations(first, second)
    for row in range(2):
        for column in range(2):
            expected = spearmanr(first[:, row], second[:, column]).statistic
            assert found[row, column] == pytest.approx(expected, abs=1e-12)
    assert found[0, 0] == pytest.approx(1, abs=1e-12)
    assert np.isnan(found[:, 2]).all()


def test_what_tells_species_and_samples_apart_is_no_correlation():
    """Within a species the number falls as the field grows; over species, and over samples, both grow together."""
    given = samples()
    offset = 100.0 * given.types + 1000.0 * given.simulations[:, None]
    fields = given.fields.copy()
    fields[..., MOVED] += offset
    falling = -(fields[..., MOVED] - offset) + offset
    found = named(
        correlate(replace(given, values={"attribution": falling}, fields=fields), np.random.default_rng(0)), "moved"
    )
    assert spearmanr(falling.ravel(), fields[..., MOVED].ravel()).statistic > 0.99
    assert set(found) == {(label, species) for label in CLASSES for species in "AB"}
    for (_, species), each in found.items():
        assert each.mean == pytest.approx(-1, abs=1e-12)
        assert (each.simulations, each.particles) == (SIMULATIONS, SIMULATIONS * (OF_B if species == "B" else 40))


def test_a_relation_in_one_class_and_species_alone_is_found_there_alone_and_named():
    given = samples()
    values = given.values["attribution"].copy()
    chosen = (given.types == 0) & (given.labels == CLASSES.index("glass"))[:, None]
    values[chosen] += 2 * given.fields[..., MOVED][chosen]
    correlations = correlate(replace(given, values={"attribution": values}), np.random.default_rng(0))
    found = named(correlations, "moved")
    hit = found.pop(("glass", "A"))
    # Pearson's is 2 / 5^(1/2) = 0.894; Spearman's of normal numbers 6 / pi asin(0.894 / 2) = 0.885.
    assert hit.mean == pytest.approx(0.885, abs=0.02)
    assert hit.together[0] < hit.interval[0] < hit.mean < hit.interval[1] < hit.together[1] < 0.95
    assert hit.largest == 1
    assert all(each.together[0] < 0 < each.together[1] for each in found.values())
    said = sentence(correlations)
    assert "attribution with distance moved to the inherent structure, among the A particles of the glass: +0.8" in said
    assert f"for all 36 in the table at once), the mean over {SIMULATIONS} simulations" in said
    assert "the largest of all in 100 % of the resampled sets" in said


def test_of_independent_numbers_none_is_told_from_zero_though_some_intervals_miss_it():
    missed, told = 0, 0
    for seed in range(20):
        found = correlate(samples(seed), np.random.default_rng(0))
        missed += sum(not each.interval[0] <= 0 <= each.interval[1] for each in found)
        told += "No rank correlation differs significantly from zero" not in sentence(found)
    # Of 720 intervals 5 % should miss zero, and some more, as percentiles of 24 simulations are a little narrow; of 20 tables 5 %: more
    # than 3 have a probability of 2 %.
    assert 0.03 < missed / 720 < 0.11
    assert told <= 3


def test_a_null_dataset_has_each_simulation_in_one_class():
    given = samples(simulations=40)
    half = np.arange(0, 80, 2) + np.arange(40) % 2
    one = ParticleSamples(
        {"attribution": given.fields[half, :, MOVED]},
        *(each[half] for each in (given.fields, given.types, given.labels, given.simulations)),
    )
    for each in named(correlate(one, np.random.default_rng(0)), "moved").values():
        assert (each.mean, each.simulations) == (pytest.approx(1, abs=1e-12), 20)
        assert each.interval == pytest.approx((1, 1), abs=1e-12)


def test_particles_that_were_not_shown_do_not_count():
    given = samples()
    values = given.fields[..., MOVED].copy()
    fields = given.fields.copy()
    values[:, 30:], fields[:, 30:, MOVED] = np.nan, 1e6
    found = named(
        correlate(replace(given, values={"attribution": values}, fields=fields), np.random.default_rng(0)), "moved"
    )
    assert [each.mean for each in found.values()] == pytest.approx([1] * 4, abs=1e-12)
    assert [found["liquid", species].particles for species in "AB"] == [SIMULATIONS * 10, SIMULATIONS * 20]


def test_of_one_simulation_there_is_no_interval_and_of_equal_numbers_no_correlation():
    found = correlate(samples(simulations=1), np.random.default_rng(0))
    assert all(np.isfinite(each.mean) and np.isnan(each.interval).all() for each in found)
    assert sentence(found).startswith("No correlation with the physical fields can be computed")
    given = samples()
    flat = replace(given, values={"attribution": np.ones((2 * SIMULATIONS, PARTICLES))})
    found = correlate(flat, np.random.default_rng(0))
    assert all(np.isnan(each.mean) and each.simulations == 0 for each in found)
    assert sentence(found).startswith("No correlation with the physical fields can be computed")


def test_few_simulations_are_said_to_be_few():
    given = samples(simulations=6)
    noisy = given.fields[..., MOVED] + 0.1 * given.values["attribution"]
    found = correlate(replace(given, values={"attribution": noisy}), np.random.default_rng(0))
    assert sentence(found).endswith("so few that the intervals are rough.")


def test_the_tables_have_every_correlation():
    given = samples()
    two = replace(given, values={"attribution": given.values["attribution"], "attention": given.fields[..., MOVED]})
    found = correlate(two, np.random.default_rng(0))
    lines = csv_table(found).splitlines()
    assert lines[0].startswith(
        "value,field,state,label,species,correlation,low,high,low_together,high_together,simulations"
    )
    assert len(lines) == 1 + 2 * 4 * len(FIELDS)
    table = markdown_table(found).splitlines()
    assert len(table) == 2 + 2 * len(FIELDS)
    # Names have no bars, which would end a cell.
    assert {line.count("|") for line in table} == {7}
    assert f"liquid, A (n = {SIMULATIONS})" in table[0]
    assert "+1.00 (+1.00 to +1.00)" in table[-1]

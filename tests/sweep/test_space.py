import math

import optuna
import pytest

from glassliquid.errors import UserError
from glassliquid.sweep.space import Range, SearchSpace, configured
from glassliquid.training.config import TrainConfig

LOG_SIZES = (10, 20, 30, 50, 80, 100, 130, 150, 200)
LOG_SPACE = SearchSpace()


def test_the_grid_is_the_research_logs_own():
    points = LOG_SPACE.grid(seed=0)
    assert len(points) == 45
    assert {(p["batch_size"], p["dropout"]) for p in points} == {
        (size, dropout) for size in LOG_SIZES for dropout in (0.1, 0.2, 0.3, 0.4, 0.5)
    }


def test_the_grids_order_depends_on_the_seed_alone():
    assert LOG_SPACE.grid(3) == LOG_SPACE.grid(3)
    assert LOG_SPACE.grid(3) != LOG_SPACE.grid(4)


def test_what_a_network_has_of_its_own_is_chosen_from_lists():
    space = SearchSpace(
        batch_sizes=(8,), dropout_high=0.1, widths="16,32", depths="1,3", cutoffs="1.3,1.5", head_counts="2"
    )
    assert space.names == ["batch_size", "width", "depth", "cutoff", "heads", "dropout"]
    points = space.grid(seed=0)
    found = {(p["width"], p["depth"], p["cutoff"], p["heads"]) for p in points}
    assert found == {(width, depth, cutoff, 2) for width in (16, 32) for depth in (1, 3) for cutoff in (1.3, 1.5)}
    assert len(points) == 8
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    chosen = [space.suggest(study.ask()) for _ in range(60)]
    assert {(c["width"], c["depth"], c["cutoff"], c["heads"]) for c in chosen} == found
    config = configured(TrainConfig(model="graph"), chosen[0])
    assert config.own == {name: chosen[0][name] for name in ("width", "depth", "cutoff", "heads")}
    assert space.to_json()["cutoff"] == [1.3, 1.5]


def test_a_space_without_them_is_stored_as_before():
    assert list(LOG_SPACE.to_json()) == ["batch_size", "dropout"]


def test_rates_are_spaced_by_their_logarithm_and_thresholds_evenly():
    # Five levels over four decades are the decades themselves.
    assert Range("learning_rate", 0.00001, 0.1).levels() == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    assert Range("eta_threshold", 0.8, 1.0).levels() == pytest.approx([0.8, 0.85, 0.9, 0.95, 1.0])


def test_a_range_of_one_point_is_one_level():
    space = SearchSpace(batch_sizes=(8, 16), dropout_low=0.3, dropout_high=0.3)
    assert sorted(p["batch_size"] for p in space.grid(0)) == [8, 16]


def test_suggestions_lie_in_the_space_and_rates_fill_their_decades_evenly():
    space = SearchSpace(batch_sizes=(8, 16), learning_rate_range=(1e-5, 1e-1))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    chosen = [space.suggest(study.ask()) for _ in range(400)]
    assert {c["batch_size"] for c in chosen} == {8, 16}
    assert all(0.1 <= c["dropout"] <= 0.5 and 1e-5 <= c["learning_rate"] <= 1e-1 for c in chosen)
    # Half of the draws are below the geometric mean; 400 of them are within 5 standard deviations, 50, of that.
    assert abs(sum(c["learning_rate"] < math.sqrt(1e-5 * 1e-1) for c in chosen) - 200) < 50


def test_a_point_becomes_the_settings_of_a_training():
    config = configured(TrainConfig(iterations=7), {"batch_size": 30, "dropout": 0.2, "eta_threshold": 0.8})
    assert config == TrainConfig(iterations=7, batch_size=30, dropout=0.2, eta_threshold=((0.8, None),))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"dropout_low": 0.5, "dropout_high": 0.1},
            "range of dropout runs from 0.5 to 0.1: pass the lower bound first",
        ),
        ({"l2_range": "0:0.1"}, "l2 begins at 0.0.*above zero"),
        ({"l2_range": "0.1"}, "l2_range is '0.1'.*0.0001:0.01, or none"),
        ({"l2_range": "a:b"}, "l2_range is 'a:b'"),
        ({"eta_threshold_range": "nan:0.9"}, "eta_threshold_range is nan: pass a number"),
        ({"dropout_low": -1e308, "dropout_high": 1e308}, "pass two finite numbers"),
        ({"batch_sizes": "10,many"}, "batch_sizes is '10,many'.*10,50,100"),
        ({"batch_sizes": "10,10"}, "batch_sizes is '10,10'.*each once"),
        ({"widths": "16,16"}, "widths is '16,16': give at least one width, and each once"),
        ({"widths": "16,wide"}, "widths is '16,wide'.*16,32,64, or none"),
        ({"cutoffs": "1.3,"}, "cutoffs is '1.3,'.*1.3,1.5, or none"),
        ({"head_counts": "1.5"}, "head_counts is '1.5'"),
        ({"batch_sizes": "10,0"}, "batch size is 0"),
    ],
)
def test_a_space_that_is_none(given, message):
    with pytest.raises(UserError, match=message):
        SearchSpace(**given)

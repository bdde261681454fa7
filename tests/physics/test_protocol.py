import re

import pytest

from glassliquid.errors import UserError
from glassliquid.physics.protocol import DEFAULT_SNAPSHOTS, PRESETS, Protocol, temperature
from glassliquid.settings import restored, stored

VALID = {"particles": 64, "equilibration_steps": 100, "cooling_steps": 400, "snapshots": (5, 200)}


@pytest.mark.parametrize(("snapshot", "expected"), [(0, 2.0), (5, 1.95125), (100, 1.025), (183, 0.21575), (200, 0.05)])
def test_temperature_falls_linearly(snapshot, expected):
    # Worked out by hand from T_k = 2 - 1.95 k/200; tolerance: rounding.
    assert temperature(snapshot) == pytest.approx(expected, rel=1e-14)


def test_presets_are_those_of_the_design():
    sizes = {name: (p.protocol.particles, p.protocol.cooling_steps, p.simulations) for name, p in PRESETS.items()}
    assert sizes == {
        "demo": (256, 10_000, 400),
        "fast": (1_024, 200_000, 400),
        "reference": (1_024, 20_000_000, 10_000),
    }


def test_stored_by_default_are_every_fifth_and_the_indices_of_the_log():
    assert set(range(0, 201, 5)) | {1, 171, 183, 195} <= set(DEFAULT_SNAPSHOTS)
    assert list(DEFAULT_SNAPSHOTS) == sorted(set(DEFAULT_SNAPSHOTS))


def test_a_protocol_survives_json():
    protocol = Protocol(**VALID)
    assert restored(Protocol, stored(protocol), "The protocol") == protocol


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"particles": 31}, "particles is 31, outside the allowed range 32 to 1000000"),
        ({"particles": 0}, "particles is 0, outside the allowed range"),
        ({"particles": -5}, "particles is -5, outside the allowed range"),
        ({"cooling_steps": 0}, "cooling_steps is 0, but it must be a positive multiple of 200"),
        ({"cooling_steps": -200}, "cooling_steps is -200, .* pass for example 200"),
        ({"cooling_steps": 1_050}, "cooling_steps is 1050, .* pass for example 1000"),
        ({"equilibration_steps": -1}, "equilibration_steps is -1, outside the allowed range 0 to"),
        ({"snapshots": ()}, "snapshots is empty"),
        ({"snapshots": (5, 201)}, "snapshots is 201, but snapshot indices run from 0"),
        ({"snapshots": (-1, 5)}, "snapshots is -1, but snapshot indices run from 0"),
        ({"snapshots": (200, 5)}, "snapshots is 200, 5: give each index once, in ascending order"),
        ({"snapshots": (5, 5)}, "snapshots is 5, 5: give each index once"),
    ],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        Protocol(**{**VALID, **change})


def test_the_advice_for_cooling_steps_is_accepted():
    with pytest.raises(UserError, match="pass for example") as refused:
        Protocol(**{**VALID, "cooling_steps": 1_050})
    advice = re.search(r"for example (\d+)", str(refused.value))
    assert advice is not None
    Protocol(**{**VALID, "cooling_steps": int(advice[1])})


@pytest.mark.parametrize(
    "change",
    [
        {"particles": "64"},
        {"cooling_steps": 400.0},
        {"snapshots": "5"},
        {"snapshots": [True, 5]},
        {"particles": None},
        {"extra": 1},
    ],
)
def test_json_of_something_else_is_refused(change):
    with pytest.raises(UserError, match=f"The protocol (are damaged|have).*{next(iter(change))}"):
        restored(Protocol, {**stored(Protocol(**VALID)), **change}, "The protocol")

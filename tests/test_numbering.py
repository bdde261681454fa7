"""Numbers of simulations in names: what differs tells, what is proposed works, and nothing is guessed."""

import re

import pytest

from glassliquid.errors import UserError
from glassliquid.numbering import UnclearNumbersError, check_pattern, numbers_found, numbers_told, stem_of


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["glass_001_250x250.png", "glass_002_250x250.png"], [1, 2]),
        (["N1000_run7.dump", "N1000_run8.dump"], [7, 8]),
        (["run3.0004.tif"], [4]),
        (["data_5/glass.png"], [None]),
        (["sim1/snap.png", "sim2/snap.png"], [1, 2]),
        (["7_7.png", "8_8.png"], [7, 8]),
        (["a.png"], [None]),
    ],
)
def test_the_number_that_differs_is_the_simulation(names, expected):
    assert list(numbers_found(names).values()) == expected


@pytest.mark.parametrize(
    "names",
    [
        ["run1_frame01.png", "run1_frame02.png", "run2_frame03.png"],
        ["glass/0_rot1.png", "glass/0_rot2.png", "glass/5_rot1.png"],
        ["glass1/3.png", "glass1/4.png", "glass2/3.png"],
        ["run1/007.png", "run1/008.png", "run2/007.png"],
    ],
)
def test_each_way_that_is_proposed_finds_its_number(names):
    with pytest.raises(UnclearNumbersError) as ended:
        numbers_found(names)
    ways = re.findall(r"number='?([^ ']+)'? if it is (\d+)", str(ended.value))
    assert len(ways) == 2
    for pattern, number in ways:
        assert numbers_told(names[:1], pattern)[names[0]] == int(number)


def test_steps_are_no_simulations_and_files_in_folders_are_parts():
    steps = {f"run{n}.{step}.dump": step for n in (1, 2, 3) for step in (0, 100)}
    assert list(numbers_found(list(steps), steps.get).values()) == [1, 1, 2, 2, 3, 3]
    parts = [f"run{n}/part{k}.dump" for n in (1, 2) for k in (1, 2)]
    assert list(numbers_found(parts, lambda name: 0).values()) == [1, 1, 2, 2]


def test_a_pattern_is_a_word_or_an_expression():
    assert numbers_told(["T5/seed_07.dump", "T5/other.dump"], "seed") == {"T5/seed_07.dump": 7, "T5/other.dump": None}
    assert numbers_told(["reseed3_seed4"], "seed") == {"reseed3_seed4": 4}
    assert numbers_told(["batch2/sim3"], r"batch(\d+)/sim(\d+)") == {"batch2/sim3": 2_000_003}
    with pytest.raises(UserError, match=r"number is .\(run., which is not a regular expression"):
        check_pattern("(run")


def test_a_number_at_the_end_is_no_ending():
    assert [stem_of(name) for name in ("dump.1000", "a/x.dump.gz", "x.250x250.png")] == ["dump.1000", "a/x", "x.@"]

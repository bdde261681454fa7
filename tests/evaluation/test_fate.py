import pytest

from glassliquid.evaluation.fate import Fate, chance_of, counted, fate_of, is_at_chance, worst


@pytest.mark.parametrize(
    ("right", "images", "at_chance"),
    [
        (60, 120, True),
        (70, 120, True),  # Wilson's interval from 49.4 %
        (71, 120, False),  # ... and from 50.2 %
        (20, 120, True),  # worse than a guess
        (3, 6, True),
        (6, 6, False),
    ],
)
def test_an_accuracy_is_that_of_a_guess_if_its_interval_contains_one_half(right: int, images: int, at_chance: bool):
    assert is_at_chance(right / images, images) is at_chance


def test_a_guess_calls_everything_the_larger_class():
    assert chance_of((40, 10)) == 0.8
    assert is_at_chance(0.8, 50, chance_of((40, 10)))
    assert not is_at_chance(0.8, 50)


def test_the_three_fates():
    assert fate_of(collapsed=False, best_accuracy=0.99, images=120) is Fate.STAYED
    assert fate_of(collapsed=True, best_accuracy=0.99, images=120) is Fate.COLLAPSED
    assert fate_of(collapsed=False, best_accuracy=0.525, images=120) is Fate.NEVER_LEARNED
    # Short of 90 % is not the same as having learned nothing.
    assert fate_of(collapsed=False, best_accuracy=0.72, images=120) is Fate.STAYED


def test_of_several_runs_the_fates_are_counted_and_the_worst_is_told():
    fates = [Fate.STAYED, Fate.NEVER_LEARNED, Fate.STAYED]
    assert counted(fates) == "2 stayed, 0 collapsed, 1 never learned"
    assert worst(fates) is Fate.NEVER_LEARNED
    assert worst([*fates, Fate.COLLAPSED]) is Fate.COLLAPSED

import pytest

from glassliquid.errors import UserError
from glassliquid.training.config import TrainConfig, format_thresholds, parse_thresholds
from glassliquid.training.schedule import SCHEDULES, Moment


def rates(places: range, accuracies: list[float | None] | None = None, **settings: object) -> list[float]:
    config = TrainConfig(learning_rate=0.01, final_learning_rate=0.0001, **settings)  # type: ignore[arg-type]
    schedule = SCHEDULES.get(config.schedule)
    given = accuracies or [None] * len(places)
    moments = [Moment(config, place - 1, accuracy, 800) for place, accuracy in zip(places, given, strict=True)]
    return [schedule(moment) for moment in moments]


def test_constant_never_changes():
    assert rates(range(1, 4), [None, 0.5, 1.0], schedule="constant") == [0.01] * 3


def test_step_changes_after_its_length():
    assert rates(range(1, 5), schedule="step", schedule_length=2) == [0.01, 0.01, 0.0001, 0.0001]


def test_linear_goes_down_in_equal_parts_and_stays():
    # 0.01 - 0.0099 t / 4
    expected = [0.01, 0.007525, 0.00505, 0.002575, 0.0001, 0.0001]
    assert rates(range(1, 7), schedule="linear", schedule_length=4) == pytest.approx(expected)


def test_exponential_goes_down_by_equal_factors_and_stays():
    # 0.01 * 0.01^(t / 2)
    assert rates(range(1, 5), schedule="exponential", schedule_length=2) == pytest.approx([0.01, 0.001, 0.0001, 0.0001])


def test_threshold_may_go_back_up():
    accuracies = [None, 0.5, 0.91, 0.90, 0.95, 0.3]  # 0.90 itself is not above the threshold
    expected = [0.01, 0.01, 0.0001, 0.01, 0.0001, 0.01]
    assert rates(range(1, 7), accuracies, schedule="threshold") == expected


def test_the_highest_threshold_passed_counts():
    several = ((0.8, 0.005), (0.9, None), (0.99, 0.00001))
    accuracies = [0.7, 0.85, 0.95, 0.995]
    assert rates(range(1, 5), accuracies, eta_threshold=several) == [0.01, 0.005, 0.0001, 0.00001]


def test_several_thresholds_may_go_back_up_one_by_one():
    several = ((0.8, 0.005), (0.9, None), (0.99, 0.00001))
    accuracies = [None, 0.995, 0.95, 0.85, 0.99, 0.4, 1.0]
    expected = [0.01, 0.00001, 0.0001, 0.005, 0.0001, 0.01, 0.00001]
    assert rates(range(1, 8), accuracies, eta_threshold=several) == expected


def test_warmup_rises_over_two_epochs_then_falls_exponentially():
    # Two epochs of 800 images are 4 iterations of 10 batches of 40: rates 1/5 .. 4/5 of 0.01, then
    # 0.01 * 0.01^((t - 4) / 4) until iteration 9.
    settings = {"schedule": "warmup", "schedule_length": 8, "batch_size": 40}
    expected = [0.002, 0.004, 0.006, 0.008, 0.01, 0.01 * 0.01**0.25, 0.001, 0.01 * 0.01**0.75, 0.0001, 0.0001]
    assert Moment(TrainConfig(**settings), 0, None, 800).warmup == 4  # type: ignore[arg-type]
    assert rates(range(1, 11), **settings) == pytest.approx(expected)


def test_the_length_is_the_whole_run_by_default():
    assert rates(range(1, 6), schedule="linear", iterations=4)[-1] == pytest.approx(0.0001)


def test_thresholds_are_read_and_written():
    assert parse_thresholds("0.9") == ((0.9, None),)
    assert parse_thresholds("0.9:0.0001,0.99:0.00001") == ((0.9, 0.0001), (0.99, 0.00001))
    assert parse_thresholds(format_thresholds(((0.9, None), (0.99, 0.001)))) == ((0.9, None), (0.99, 0.001))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "step"}, "needs schedule_length"),
        ({"schedule": "cosine"}, "choose one of threshold, constant"),
        ({"schedule_length": 0}, "schedule_length is 0"),
        ({"eta_threshold": ((0.99, None), (0.9, None))}, "ascending order"),
        ({"eta_threshold": ((1.5, None),)}, "outside the allowed range 0 to 1"),
        ({"learning_rate": -0.1}, "learning_rate is -0.1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"model": "resnet"}, "choose one of cnn2018, compact"),
        ({"precision": "float16"}, "choose one of auto"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str):
    with pytest.raises(UserError, match=message):
        TrainConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "high", "0.9:", "0.9,,0.95", "0.9:0.1:0.2"])
def test_wrong_thresholds_are_refused(text: str):
    with pytest.raises(UserError, match="eta_threshold is"):
        TrainConfig(eta_threshold=text)  # type: ignore[arg-type]

import pytest

from glassliquid.training.progress import Progress


def after(*accuracies: float) -> Progress:
    progress = Progress()
    for iteration, accuracy in enumerate(accuracies, start=1):
        progress = progress.after(iteration, accuracy, loss=1 - accuracy)
    return progress


def test_a_fall_counts_only_after_passing_90_per_cent():
    assert after(0.85, 0.5, 0.89, 0.5).largest_drop == 0
    assert after(0.85, 0.5, 0.95, 0.6, 0.99, 0.8).largest_drop == pytest.approx(0.35)


def test_a_run_that_falls_to_chance_has_collapsed_even_if_it_recovers():
    assert after(0.99, 0.5, 0.99).collapsed
    assert not after(0.99, 0.9, 0.99).collapsed


def test_best_is_the_highest_accuracy_and_the_lower_loss_among_equals():
    progress = (
        Progress().after(1, 0.9, 0.5).after(2, 0.95, 0.4).after(3, 0.95, 0.3).after(4, 0.95, 0.35).after(5, 0.9, 0.1)
    )
    assert (progress.best_iteration, progress.best_accuracy, progress.last_accuracy) == (3, 0.95, 0.9)

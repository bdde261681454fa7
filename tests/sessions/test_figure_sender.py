"""The figure of a training run that is under way: sent again and again, and no reason to end the training."""

import threading
import time

import pytest

from glassliquid.sessions import figure_sender
from glassliquid.sessions.figure_sender import NAME, sending_figure

HISTORY = {"loss": [(1, 0.7), (2, 0.5)], "val_accuracy": [(2, 0.9)]}


class Journal:
    """Has curves."""

    def history(self):
        return HISTORY


class Run:
    """Takes figures, or fails to."""

    def __init__(self, fails: bool = False) -> None:
        self.names: list[str] = []
        self.asked = threading.Semaphore(0)
        self.fails = fails

    def figure(self, figure, name: str) -> None:
        assert figure.axes[0].lines[0].get_ydata().tolist() == [0.7, 0.5]
        self.asked.release()
        if self.fails:
            raise OSError("no room")
        self.names.append(name)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch):
    """Drawing takes more than a hundredth of the interval here."""
    monkeypatch.setattr(figure_sender, "SHARE", 1)


@pytest.mark.parametrize("fails", [False, True])
def test_it_is_sent_several_times_while_the_training_runs(fails: bool):
    run = Run(fails)
    with sending_figure(run, Journal(), "compact on d", every_minutes=0.0001):
        for _ in range(3):
            assert run.asked.acquire(timeout=60)
    assert set(run.names) == (set() if fails else {NAME})
    count = run.asked._value if fails else len(run.names)
    time.sleep(0.05)
    assert (run.asked._value if fails else len(run.names)) == count  # nothing comes after the end


def test_a_short_training_sends_none():
    run = Run()
    with sending_figure(run, Journal(), "compact on d", every_minutes=10):
        pass
    assert run.names == []

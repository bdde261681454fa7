"""Learning by confusion on images with a planted change, and on images without any."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.evaluation.confusion import ConfusionCurve, confusion_curve
from glassliquid.evaluation.order_parameter import OrderParameter, order_parameter
from glassliquid.evaluation.transition_summary import Findings, sentence
from glassliquid.inputs.images import Images
from glassliquid.sessions.cooling_samples import CoolingSamples
from glassliquid.sessions.transition_learning import Learner, answers_of_ends, answers_of_guesses
from glassliquid.training.config import TrainConfig

SNAPSHOTS = tuple(range(0, 201, 20))
GUESSES = SNAPSHOTS[1:]
SPLITS = (Split.TRAIN,) * 30 + (Split.VALIDATION,) * 12 + (Split.TEST,) * 12
SIDE = 16


def planted(change: int | None) -> CoolingSamples:
    """Noise, in which from the index `change` on every second row is darker; a shift or a turn leaves that recognisable."""
    generator = np.random.default_rng(0)
    images = generator.integers(100, 256, size=(len(SPLITS), len(SNAPSHOTS), SIDE, SIDE, 3))
    if change is not None:
        images[:, np.array(SNAPSHOTS) >= change, ::2] -= 80
    values = torch.from_numpy(images.astype(np.uint8).reshape(-1, SIDE, SIDE, 3))
    return CoolingSamples(values, SNAPSHOTS, SPLITS, Images(SIDE), {"name": "planted"})


def learner(change: int | None, folder: Path) -> Learner:
    config = TrainConfig(batch_size=40, iterations=4, eval_every=4, schedule="linear", learning_rate=0.01)
    return Learner(config, planted(change), torch.device("cpu"), folder)


def learned(change: int | None, folder: Path) -> tuple[ConfusionCurve, OrderParameter]:
    found = learner(change, folder)
    right = answers_of_guesses(found, GUESSES, [0])
    generator = np.random.default_rng(0)
    curve = confusion_curve(right, SNAPSHOTS, GUESSES, generator)
    return curve, order_parameter(*answers_of_ends(found, [0]), SNAPSHOTS, generator)


def said_of(curve: ConfusionCurve, order: OrderParameter) -> str:
    return sentence(Findings("planted", "compact", True, (), {"compact": curve}, {"compact": order}, None, ()))


def test_a_planted_change_is_found(tmp_path: Path):
    curve, order = learned(120, tmp_path)
    assert curve.maximum is not None, curve.reason
    assert curve.maximum.guess == 120
    assert curve.maximum.interval == (100, 120)
    assert order.crossing is not None, order.reason
    assert 100 <= order.crossing.index <= 120
    found = said_of(curve, order)
    assert "has its maximum at T = 0.83 (index 120" in found
    assert "Learning by confusion and P(glass) agree within their intervals; there is none from the energies." in found


def test_without_a_change_there_is_no_maximum_and_the_sentence_says_so(tmp_path: Path):
    curve, order = learned(None, tmp_path)
    assert curve.maximum is None
    assert order.crossing is None
    found = said_of(curve, order)
    assert "Learning by confusion with compact on inherent structures has no maximum" in found
    assert "does not pass one half: the network does not tell the two ends apart" in found
    assert "The three answers cannot be compared" in found


def test_what_has_been_learned_is_not_learned_twice_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = learner(120, tmp_path).guess(120, 3)
    monkeypatch.setattr(Learner, "_train", None)  # to call it would fail
    assert learner(120, tmp_path).guess(120, 3) == first
    assert learner(120, tmp_path).missing([100, 120], [3, 4]) == 5  # of four guesses and two ends
    assert {path.name for path in tmp_path.iterdir()} == {"compact-guess-120-seed-3.json"}


def test_another_seed_is_another_training_and_the_same_seed_the_same_bits(tmp_path: Path):
    found = learner(120, tmp_path / "a")
    first, other = found.guess(100, 1), found.guess(100, 2)
    assert first != other
    assert learner(120, tmp_path / "b").guess(100, 1) == first


def test_a_damaged_file_is_named(tmp_path: Path):
    path = tmp_path / "compact-guess-120-seed-0.json"
    path.write_text('{"version": 1, "validation": [["x"]], "test": []}')
    with pytest.raises(UserError, match=f"The values in {path} are damaged .* remove {path} and run the same command"):
        learner(120, tmp_path).guess(120, 0)

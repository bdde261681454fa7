import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glassliquid.ensembles.split import Split
from glassliquid.errors import Diverged, UserError
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import score_logits
from glassliquid.inputs.descriptors import Descriptors
from glassliquid.inputs.images import Images
from glassliquid.inputs.images.decoded import load_split
from glassliquid.models.network import Network
from glassliquid.physics.structure import FEATURES
from glassliquid.training.checkpoint import BEST, CURRENT, load_checkpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Trainer, TrainingData

CPU = torch.device("cpu")
SETTINGS = TrainConfig(batch_size=8, iterations=6, batches_per_iteration=3, eval_every=1)


class Memory:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        self.points.append((iteration, {k: v for k, v in metrics.items() if k != "images_per_second"}))


@pytest.fixture(scope="module")
def data(dataset) -> TrainingData:
    train = load_split(dataset, Split.TRAIN)
    reads = Images.of_recipe(dataset.recipe)
    identity = reads.identity(dataset)
    return TrainingData(torch.from_numpy(train.values), torch.from_numpy(train.labels), reads, identity)


@pytest.fixture(scope="module")
def validate(dataset) -> Callable[[Network], dict[str, float]]:
    validation = load_split(dataset, Split.VALIDATION)

    def score(model: Network) -> dict[str, float]:
        scores = score_logits(predict_logits(model, torch.from_numpy(validation.values), CPU), validation.labels)
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss}

    return score


@pytest.fixture
def make(data, validate, tmp_path: Path):
    def make_trainer(
        config: TrainConfig, folder: str = "a", memory: Memory | None = None, train: TrainingData = data
    ) -> Trainer:
        (tmp_path / folder).mkdir(exist_ok=True)
        return Trainer(config, train, validate, memory or Memory(), tmp_path / folder, "run")

    return make_trainer


def never() -> bool:
    return False


def stop_after(iterations: int) -> Callable[[], bool]:
    calls = iter(range(1, 10_000))
    return lambda: next(calls) >= iterations


def weights(trainer: Trainer) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in trainer.model.state_dict().values())


@pytest.mark.parametrize("model", ["compact", "cnn2018"])
def test_overfits_one_batch(make, data, model: str):
    """Any network that can learn gets a batch right by heart; without dropout and augmentation nothing hinders it."""
    config = TrainConfig(
        model=model, batch_size=8, iterations=40, batches_per_iteration=5, dropout=0, augment=False, l2=0, schedule="constant",
        learning_rate=0.001 if model == "compact" else 0.0001,
    )  # fmt: skip
    chosen = torch.tensor([0, 1, 2, 3, 16, 17, 18, 19])  # glass first, then liquid
    assert data.labels[chosen].tolist() == [0] * 4 + [1] * 4
    trainer = make(config, train=replace(data, values=data.values[chosen], labels=data.labels[chosen]))
    trainer.train(never)
    logits = predict_logits(trainer.model.eval(), data.values[chosen], CPU)
    assert (logits.argmax(axis=1) == data.labels[chosen].numpy()).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_small_network_trains_on_one_thread_and_the_others_are_left_as_they_were(tmp_path: Path, threads: int):
    reads, used = Descriptors(), set()
    features = torch.rand((16, len(FEATURES)), generator=torch.Generator().manual_seed(1))
    data = TrainingData(
        features, torch.arange(16) % 2, reads, {"name": "none", "digest": "none", **reads.description()}
    )

    def validate(_model: Network) -> dict[str, float]:
        used.add(torch.get_num_threads())
        return {"val_accuracy": 0.5, "val_loss": 0.7}

    config = replace(SETTINGS, model="structure", augment=False, iterations=1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        Trainer(config, data, validate, Memory(), tmp_path, "run").train(never)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert used == {1}


def test_the_same_seed_gives_the_same_weights_and_curves_and_another_gives_others(make):
    memories, results = [Memory(), Memory(), Memory()], []
    for seed, memory in zip((1, 1, 2), memories, strict=True):
        trainer = make(replace(SETTINGS, seed=seed), memory=memory)
        trainer.train(never)
        results.append(weights(trainer))
    assert results[0] == results[1] != results[2]
    assert memories[0].points == memories[1].points != memories[2].points


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(make, tmp_path: Path):
    whole_memory, parts_memory = Memory(), Memory()
    whole = make(SETTINGS, "whole", whole_memory)
    whole.train(never)
    for stop in (1, 2, 10):
        part = make(SETTINGS, "parts", parts_memory)
        if (tmp_path / "parts" / CURRENT).exists():
            part.restore(load_checkpoint(tmp_path / "parts" / CURRENT))
        outcome = part.train(stop_after(stop))
    assert outcome.finished
    assert weights(part) == weights(whole)
    assert parts_memory.points == whole_memory.points
    ends = [load_checkpoint(tmp_path / folder / CURRENT).progress for folder in ("parts", "whole")]
    assert ends[0] == ends[1]


def test_stopping_keeps_the_last_iteration(make, tmp_path: Path):
    outcome = make(SETTINGS).train(stop_after(2))
    assert not outcome.finished
    assert outcome.iteration == load_checkpoint(tmp_path / "a" / CURRENT).iteration == 2


def test_the_best_checkpoint_has_the_score_that_was_recorded(make, validate, tmp_path: Path):
    memory = Memory()
    outcome = make(SETTINGS, memory=memory).train(never)
    best = load_checkpoint(tmp_path / "a" / BEST)
    recorded = dict(memory.points)[outcome.progress.best_iteration]
    assert best.iteration == outcome.progress.best_iteration
    assert outcome.progress.best_accuracy == max(point["val_accuracy"] for _, point in memory.points)
    from glassliquid.training.found_model import restore_model

    assert validate(restore_model(best))["val_accuracy"] == recorded["val_accuracy"]


def test_a_diverging_loss_stops_before_the_step(make, data, tmp_path: Path):
    trainer = make(SETTINGS)
    trainer.train(stop_after(1))
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("inf"))
    before = weights(trainer)
    with pytest.raises(
        Diverged, match=r"The loss is nan in iteration 2, batch 1, so the optimizer step was skipped: lower the"
    ):
        trainer.train(never)
    assert weights(trainer)[:100] == before[:100]
    assert load_checkpoint(tmp_path / "a" / CURRENT).iteration == 1


def test_a_step_that_leaves_no_finite_weights_is_not_kept(make, tmp_path: Path):
    """The loss of the third iteration's only batch is finite; the step at the rate of 1e38 that follows it is not."""
    config = replace(SETTINGS, batches_per_iteration=1, schedule="step", schedule_length=2, final_learning_rate=1e38)
    memory = Memory()
    with pytest.raises(Diverged, match=r"The norm of the weights is (inf|nan) after iteration 3, which was discarded"):
        make(config, memory=memory).train(never)
    kept = load_checkpoint(tmp_path / "a" / CURRENT)
    assert len(memory.points) == 2
    # Where the disk is slow, the state of the second iteration is passed over: writing takes a hundredth of the time at most.
    assert kept.iteration in (1, 2)
    assert all(tensor.isfinite().all() for tensor in kept.model.values())


def test_in_mixed_precision_the_weights_stay_single_and_a_resumed_run_is_the_uninterrupted_one(make, tmp_path: Path):
    config = replace(SETTINGS, precision="bfloat16", iterations=3)
    single, whole, part = make(replace(config, precision="float32"), "single"), make(config, "whole"), make(config)
    for trainer in (single, whole):
        trainer.train(never)
    part.train(stop_after(1))
    part = make(config)
    part.restore(load_checkpoint(tmp_path / "a" / CURRENT))
    part.train(never)
    assert weights(part) == weights(whole) != weights(single)
    assert {parameter.dtype for parameter in part.model.parameters()} == {torch.float32}


def test_a_checkpoint_of_a_gpu_goes_on_elsewhere_always_in_the_same_way(make, tmp_path: Path):
    """The generators of a GPU have states of 16 bytes, which a CPU's cannot take."""
    make(SETTINGS).train(stop_after(2))
    state = load_checkpoint(tmp_path / "a" / CURRENT)
    there = dict.fromkeys(("dropout", "augment"), torch.zeros(16, dtype=torch.uint8))
    state = replace(state, generators=there, device="cuda")
    memories = [Memory(), Memory()]
    for memory in memories:
        trainer = make(SETTINGS, "b", memory)
        trainer.restore(copy.deepcopy(state))  # the optimizer continues with the very tensors that it is given
        assert trainer.train(never).finished
    assert memories[0].points == memories[1].points
    assert [iteration for iteration, _ in memories[0].points] == [3, 4, 5, 6]


def test_the_largest_drop_is_a_curve(make):
    memory = Memory()
    outcome = make(replace(SETTINGS, iterations=8, eval_every=2), memory=memory).train(never)
    drops = [(iteration, point["largest_drop"]) for iteration, point in memory.points if "largest_drop" in point]
    assert [iteration for iteration, _ in drops] == [2, 4, 6, 8]
    assert drops == sorted(drops, key=lambda drop: drop[1])
    assert drops[-1][1] == outcome.progress.largest_drop


def test_the_rate_follows_the_last_validation(make):
    memory = Memory()
    make(replace(SETTINGS, iterations=8), memory=memory).train(never)
    last = None
    for _, point in memory.points:
        assert point["learning_rate"] == (0.0001 if last is not None and last > 0.9 else 0.001)
        last = point["val_accuracy"]


def test_validation_happens_every_so_many_iterations_and_at_the_end(make):
    memory = Memory()
    make(replace(SETTINGS, iterations=5, eval_every=2), memory=memory).train(never)
    assert [iteration for iteration, point in memory.points if "val_accuracy" in point] == [2, 4, 5]


def test_the_penalty_is_half_the_sum_of_squares_of_the_weight_tensors_only(make, data):
    """The loss with l2 = 2 exceeds the one without by the sum of squares; biases and scales do not count."""
    losses = []
    for l2 in (0.0, 2.0):
        memory = Memory()
        settings = replace(SETTINGS, l2=l2, dropout=0, augment=False, iterations=1, batches_per_iteration=1)
        make(settings, memory=memory).train(never)
        losses.append(memory.points[0][1]["loss"])
        if l2 == 0.0:
            fresh = make(SETTINGS)
    squares = sum(
        float(np.square(tensor.numpy(), dtype=np.float64).sum())
        for name, tensor in fresh.model.state_dict().items()
        if name.endswith("weight") and tensor.ndim > 1
    )
    assert losses[1] - losses[0] == pytest.approx(squares, rel=1e-4)  # single precision


def test_too_large_a_batch_is_refused(make):
    with pytest.raises(UserError, match="the training split has 28 images: pass a batch size of 28 or less"):
        make(replace(SETTINGS, batch_size=29))


def test_a_checkpoint_of_other_data_is_refused(make, tmp_path: Path):
    trainer = make(SETTINGS)
    trainer.train(stop_after(1))
    state = load_checkpoint(tmp_path / "a" / CURRENT)
    state = replace(state, data={**state.data, "digest": "other", "name": "data_liquid10"})
    with pytest.raises(UserError, match=r"was trained on the dataset 'data_liquid10' \(digest other\), not on 'data_"):
        make(SETTINGS).restore(state)
    state = replace(state, data={**state.data, "image_size": 128})
    with pytest.raises(UserError, match=r"'data_liquid10' \(image_size 128\), not on 'data_liquid5' \(64\): pass its"):
        make(SETTINGS).restore(state)

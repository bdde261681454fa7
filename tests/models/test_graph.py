"""The network of particles: what changes its answer and what does not, its own settings, and that it learns and continues."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from glassliquid.datasets.configurations import load_configurations
from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import GLASS, score_logits
from glassliquid.inputs.particles import Particles
from glassliquid.models.network import build_model
from glassliquid.models.networks import MODELS
from glassliquid.models.networks.graph import Graph
from glassliquid.models.served import GlassProbability
from glassliquid.sessions.training_run import TrainingSplits, load_training_splits, score_samples
from glassliquid.settings import restored, stored
from glassliquid.training.checkpoint import BEST, CURRENT, load_checkpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import restore_model
from glassliquid.training.trainer import Trainer, TrainingData
from tests.models.training import Nobody, trainer

SETTINGS = TrainConfig(model="graph", batch_size=8, iterations=6, batches_per_iteration=3, eval_every=1)
SINGLE = {"rtol": 1e-5, "atol": 2e-6}
"""Single precision's rounding, after a few hundred additions."""


def made(**own: float) -> Graph:
    model = build_model("graph", Particles(), 0.5, torch.Generator().manual_seed(0), **own)
    assert isinstance(model, Graph)
    return model.eval()


def logits(model: Graph, configurations: Tensor) -> Tensor:
    """Of what is served, and of what files are read as, which must be the same."""
    reads = Particles()
    with torch.inference_mode():
        served = model(reads.served(configurations))
        values = reads.stacked([reads.of_configuration(each.numpy()) for each in configurations])
        torch.testing.assert_close(model(reads.batch(values, slice(None), torch.device("cpu"))), served, **SINGLE)
    return served


@pytest.fixture(scope="module")
def configurations(dataset: Dataset) -> Tensor:
    """Two glasses and two liquids of 100 particles."""
    return torch.from_numpy(load_configurations(dataset)[[0, 1, 14, 15]])


def shifted(configurations: Tensor) -> Tensor:
    """Every particle by a third of the box, through the boundary."""
    found, side = configurations.clone(), float(configurations[0, 0, 3])
    found[..., :2] = (found[..., :2] + side * torch.tensor([1 / 3, 0.71]) + side / 2) % side - side / 2
    return found


def mirrored(configurations: Tensor) -> Tensor:
    return configurations * torch.tensor([-1.0, 1, 1, 1])


def turned(configurations: Tensor) -> Tensor:
    """By a right angle, as a square box can be."""
    return configurations[..., [1, 0, 2, 3]] * torch.tensor([-1.0, 1, 1, 1])


def renumbered(configurations: Tensor) -> Tensor:
    return configurations[:, torch.randperm(100, generator=torch.Generator().manual_seed(5))]


@pytest.mark.parametrize("change", [shifted, mirrored, turned, renumbered])
def test_symmetries_of_the_box_and_new_numbers_leave_the_logits(configurations, change: Callable[[Tensor], Tensor]):
    changed = change(configurations)
    assert not torch.equal(changed, configurations)
    torch.testing.assert_close(logits(made(), changed), logits(made(), configurations), **SINGLE)


@pytest.mark.parametrize("degrees", [1, 37, 45, 123.4])
def test_any_rotation_leaves_the_logits(configurations, degrees: float):
    """Of a cluster in a box so large that no neighbour is beyond its edge."""
    cluster = configurations.clone()
    cluster[..., 3] = 100
    angle = math.radians(degrees)
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    rotated = cluster.clone()
    rotated[..., :2] = cluster[..., :2] @ rotation.T
    torch.testing.assert_close(logits(made(), rotated), logits(made(), cluster), **SINGLE)


def test_species_places_and_the_box_do_change_them(configurations):
    before = logits(made(), configurations)
    exchanged, moved, stretched = (configurations.clone() for _ in range(3))
    exchanged[..., 2] = 1 - exchanged[..., 2]
    moved[:, 0, :2] += 0.2
    stretched[..., 3] *= 1.05
    for other in (exchanged, moved, stretched):
        assert ((logits(made(), other) - before).abs() > 1e-4).any(dim=1).all()
    assert (before[0] - before[2]).abs().max() > 1e-3


def test_any_number_of_particles_is_taken(configurations):
    """Four copies side by side have the particles' surroundings of one, and so its logits."""
    side = float(configurations[0, 0, 3])
    copies = []
    for image in ((0.0, 0.0), (1, 0), (0, 1), (1, 1)):
        copy = configurations + torch.tensor([*(side * each for each in image), 0, side])
        copies.append(copy)
    torch.testing.assert_close(logits(made(), torch.cat(copies, dim=1)), logits(made(), configurations), **SINGLE)


def test_attention_is_a_number_for_each_particle(configurations):
    model = made()
    batch = Particles().served(configurations)
    vectors, weights = model.particles(batch)
    assert vectors.shape == (4, 100, 32)
    assert weights.shape == (4, 100)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4))
    assert weights.std() > 0
    moved = Particles().served(renumbered(configurations))
    torch.testing.assert_close(model.particles(moved)[1], renumbered(weights[..., None])[..., 0], **SINGLE)


def test_contributions_are_parts_of_the_logits(configurations):
    model, batch = made(), Particles().served(configurations)
    model.settle(Particles().stacked([Particles().of_configuration(each.numpy()) for each in configurations]))
    found = model.contributions(batch)
    assert found.shape == (4, 100)
    glass, liquid = model(batch).T
    torch.testing.assert_close(found.sum(dim=1), glass - liquid, rtol=1e-4, atol=1e-4)


def test_particles_beyond_the_cutoff_are_not_seen(configurations):
    """So far away that nobody has a neighbour: finite, and the same wherever they are."""
    batch, model = Particles().served(configurations), made()
    far = batch._replace(distances=30 * batch.distances)
    found = model(far)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, found[:1].expand(4, 2), **SINGLE)
    # A neighbour that comes in from the cutoff changes nothing at once.
    outside, inside = far.distances.clone(), far.distances.clone()
    outside[0, 0, 0], inside[0, 0, 0] = 1.5001, 1.4997
    assert not torch.equal(model(far._replace(distances=inside)), found)
    assert (model(far._replace(distances=inside)) - model(far._replace(distances=outside))).abs().max() < 1e-4


def test_what_is_no_configuration_is_refused_by_the_exported_network_too(configurations):
    served, auto = GlassProbability(made(), glass=0), torch.export.Dim.AUTO
    example = torch.from_numpy(Particles().example())
    exported = torch.export.export(served, (example,), dynamic_shapes=({0: auto, 1: auto},)).module()
    for column, value, said in (
        (0, math.nan, "not finite"),
        (2, 2, "species in a configuration is unknown"),
        (2, 0.5, "species in a configuration is unknown"),
        (3, -10, "side of a box is not positive"),
        (3, 99, "or not the same for all particles"),
    ):
        wrong = configurations.clone()
        wrong[1, 7, column] = value
        for network in (served, exported):
            with pytest.raises(RuntimeError, match=said):
                network(wrong)
    far = configurations * torch.tensor([30.0, 30, 1, 30])
    for network in (served, exported):
        with pytest.raises(RuntimeError, match="no particle has a neighbour within 2 sigma_AA"):
            network(far)
    with pytest.raises(
        UserError, match="cannot be read as a graph, because no particle has a neighbour within 2 sigma_AA"
    ):
        Particles().of_configuration(far[0].numpy())


def test_the_exported_network_answers_any_number_of_systems_of_any_size(configurations):
    served, auto = GlassProbability(made(), glass=0), torch.export.Dim.AUTO
    example = torch.from_numpy(Particles().example())
    exported = torch.export.export(served, (example,), dynamic_shapes=({0: auto, 1: auto},)).module()
    for asked in (configurations, configurations[:1, :61], example):
        torch.testing.assert_close(exported(asked), served(asked))
    expected = logits(made(), configurations).softmax(dim=1)[:, 0]
    torch.testing.assert_close(exported(configurations), expected, **SINGLE)


def test_weights_come_from_the_generator_alone():
    states = [
        build_model("graph", Particles(), 0.5, torch.Generator().manual_seed(seed)).state_dict() for seed in (1, 1, 2)
    ]
    same = [all(torch.equal(states[0][key], other[key]) for key in states[0]) for other in states[1:]]
    assert same == [True, False]


def test_its_own_settings_build_it_and_other_networks_refuse_them():
    model = made(width=8, depth=3, cutoff=2.0, heads=2)
    assert (len(model.layers), model.species.out_features, model.cutoff) == (3, 8, 2.0)
    assert model.layers[0].edge_scores.out_features == 2
    own = TrainConfig(model="graph", width=8, cutoff=1.2)
    assert own.own == {"width": 8, "cutoff": 1.2}
    assert own.shown()["width"] == 8
    assert "depth" not in own.shown()
    for name in MODELS.names():
        assert TrainConfig(model=name).own == {}
        if name != "graph":
            with pytest.raises(UserError, match=rf"depth is 3, but the model {name} has no such setting: leave it out"):
                TrainConfig(model=name, depth=3)
    with pytest.raises(UserError, match="cutoff"):
        TrainConfig(model="graph", cutoff=2.5)


def test_settings_of_before_are_read():
    before = {name: value for name, value in stored(TrainConfig()).items() if name not in ("width", "depth", "cutoff")}
    del before["heads"]
    assert restored(TrainConfig, {**before, "version": 1}, "The settings") == TrainConfig()


def test_one_system_alone_is_answered_and_not_trained_on(configurations):
    model, one = made(), Particles().served(configurations[:1])
    torch.testing.assert_close(model(one), logits(model, configurations)[:1], **SINGLE)
    with pytest.raises(UserError, match="batch_size is 1, but graph normalises over the batch"):
        model.train()(one)


@pytest.fixture(scope="module")
def splits(dataset) -> TrainingSplits:
    return load_training_splits(dataset, "graph", "cpu")


def test_the_pooled_vector_is_normalised_under_the_weights_that_are_validated(splits, tmp_path):
    """At a rate at which running statistics of the batches would be far off."""
    made = trainer(splits, replace(SETTINGS, learning_rate=0.01, schedule="constant"), tmp_path / "a")
    made.train(lambda: False)
    vectors, weights = made.model.particles(made.model.reads.batch(splits.data.values, slice(None), splits.device))
    pooled = (weights[..., None] * vectors).sum(dim=1)
    norm = made.model.pooled_norm
    torch.testing.assert_close(norm.running_mean, pooled.mean(dim=0), **SINGLE)
    torch.testing.assert_close(norm.running_var, pooled.var(dim=0), rtol=1e-3, atol=1e-7)


def test_a_training_goes_on_bit_for_bit(splits, tmp_path):
    config = replace(SETTINGS, width=16, heads=2)
    whole, stopped = (trainer(splits, config, tmp_path / name) for name in ("whole", "stopped"))
    whole.train(lambda: False)
    calls = iter(range(1, 10))
    stopped.train(lambda: next(calls) >= 3)
    again = trainer(splits, config, tmp_path / "again")
    again.restore(load_checkpoint(tmp_path / "stopped" / CURRENT))
    again.train(lambda: False)
    expected, found = whole.model.state_dict(), again.model.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_liquid_and_glass_are_told_apart(splits, tmp_path):
    """Liquid 5 and glass 200 in 6 test systems; the checkpoint brings its own settings."""
    trainer(splits, replace(SETTINGS, iterations=20, depth=1), tmp_path / "a").train(lambda: False)
    model = restore_model(load_checkpoint(tmp_path / "a" / BEST))
    assert isinstance(model, Graph)
    assert len(model.layers) == 1
    data = model.reads.load(splits.dataset, Split.TEST, splits.device)
    assert score_samples(model, data, splits.device).accuracy == 1


class Planted:
    """A square lattice of 100 particles with noise; a glass has twice as much of it in a disc of 24 particles."""

    def __init__(self, systems: int) -> None:
        draw, side = np.random.default_rng(0), np.sqrt(100 / 1.2)
        lattice = (np.stack(np.meshgrid(range(10), range(10)), axis=-1).reshape(-1, 2) / 10 - 0.5) * side
        reads, self.labels, regions, values = Particles(), np.arange(systems) % 2, [], []
        for label in self.labels:
            apart = lattice - draw.uniform(-side / 2, side / 2, 2)
            regions.append(np.hypot(*(apart - side * np.round(apart / side)).T) < 2.5)
            noise = np.where(regions[-1] & (label == GLASS), 0.16, 0.08)
            places = (lattice + noise[:, None] * draw.normal(size=(100, 2)) + side / 2) % side - side / 2
            types = draw.permutation(np.repeat([0, 1], [65, 35]))
            configuration = np.column_stack([places, types, np.full(100, side)]).astype(np.float32)
            values.append(reads.of_configuration(configuration))
        self.values, self.regions = reads.stacked(values), np.array(regions)


def area(inside: np.ndarray, numbers: np.ndarray) -> float:
    """Probability that a particle inside has a larger number than one outside; the mean over systems."""
    areas = [(number[region][:, None] > number[~region]).mean() for region, number in zip(inside, numbers, strict=True)]
    return float(np.mean(areas))


@pytest.mark.slow
def test_a_planted_signal_is_found(tmp_path):
    """Chance is 0.5, with a standard error of 0.011 over 40 systems; measured are 0.84 and 0.83."""
    planted, cpu = Planted(480), torch.device("cpu")
    train, test = slice(0, 400), slice(400, 480)

    def validate(model) -> dict[str, float]:
        scores = score_logits(predict_logits(model, planted.values[test], cpu), planted.labels[test])
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss}

    labels = torch.from_numpy(planted.labels)[train]
    data = TrainingData(planted.values[train], labels, Particles(), {"name": "planted", "digest": "0"})
    config = TrainConfig(model="graph", batch_size=40, iterations=20, schedule="constant")
    made = Trainer(config, data, validate, Nobody(), tmp_path, "run")
    assert made.train(lambda: False).progress.best_accuracy > 0.9
    model = made.model.eval()
    with torch.inference_mode():
        batch = Particles().batch(planted.values, test, cpu)
        attention, contributions = model.particles(batch)[1].numpy(), model.contributions(batch).numpy()
    for numbers in (attention, contributions):
        for label, low, high in ((GLASS, 0.75, 1.0), (1 - GLASS, 0.45, 0.55)):  # a liquid's disc has nothing in it
            of_class = planted.labels[test] == label
            assert low < area(planted.regions[test][of_class], numbers[of_class]) < high

"""The linear model on features: what scales it, what it learns, and that it has nothing to learn where there is nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glassliquid.datasets.build import make_dataset
from glassliquid.datasets.description import Recipe
from glassliquid.ensembles.ensemble import Ensemble, plan_ensemble
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.scores import Scores
from glassliquid.inputs.descriptors import Descriptors
from glassliquid.models.network import build_model
from glassliquid.models.networks import MODELS
from glassliquid.models.served import GlassProbability
from glassliquid.physics.engines import best_engine
from glassliquid.physics.protocol import PRESETS
from glassliquid.physics.structure import FEATURES
from glassliquid.sessions.training_run import TrainingSplits, load_training_splits, score_samples
from glassliquid.training.checkpoint import BEST, CURRENT, load_checkpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import restore_model
from tests.conftest import ignore_progress
from tests.models.training import trainer

SETTINGS = TrainConfig(model="structure", batch_size=8, iterations=6, batches_per_iteration=3, eval_every=1)


@pytest.fixture(scope="module")
def splits(dataset) -> TrainingSplits:
    return load_training_splits(dataset, "structure", "cpu")


def scores_on_test(splits: TrainingSplits, config: TrainConfig, folder: Path) -> Scores:
    """Scores of the best state on the test split."""
    trainer(splits, config, folder).train(lambda: False)
    model = restore_model(load_checkpoint(folder / BEST))
    return score_samples(model, model.reads.load(splits.dataset, Split.TEST, splits.device), splits.device)


def test_the_training_split_scales_the_features(splits, tmp_path):
    values = splits.data.values.numpy().astype(np.float64)
    model = trainer(splits, SETTINGS, tmp_path / "a").model
    varies = np.ptp(values, axis=0) > 0
    assert 0 < varies.sum() < len(FEATURES)  # no A is 0.625 away from another
    np.testing.assert_allclose(model.mean, values.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(model.scale[varies], 1 / values.std(axis=0)[varies], rtol=1e-6)
    assert not model.scale[~varies].any()
    # The logits are the layer's on scaled features.
    scaled = (splits.data.values - model.mean) * model.scale
    assert torch.equal(model(splits.data.values), model.output(scaled))
    # What never varied in training says nothing of other data either.
    changed = splits.data.values.clone()
    changed[:, ~varies] += 10
    assert torch.equal(model(changed), model(splits.data.values))


def test_the_evidence_is_what_a_deviation_of_a_feature_adds(splits, tmp_path):
    model = trainer(splits, SETTINGS, tmp_path / "a").model.eval()
    evidence, sample = model.evidence(), splits.data.values[:1].double()
    model.double()
    assert list(evidence) == [feature.name for feature in FEATURES]

    def difference(values: torch.Tensor) -> float:
        logits = model(values)[0].detach()
        return float(logits[0] - logits[1])

    for place in (20, 60, len(FEATURES) - 1):
        more = sample.clone()
        more[0, place] += splits.data.values[:, place].double().std(correction=0)
        added = difference(more) - difference(sample)
        assert added == pytest.approx(list(evidence.values())[place], abs=1e-5)
    assert evidence["g_AA(0.625)"] == 0


def test_no_other_network_keeps_scales():
    for name in MODELS.names():
        assert ("fit_scales" in vars(MODELS.get(name))) == (name == "structure")


def test_a_training_goes_on_bit_for_bit(splits, tmp_path):
    whole, stopped = (trainer(splits, SETTINGS, tmp_path / name) for name in ("whole", "stopped"))
    whole.train(lambda: False)
    calls = iter(range(1, 10))
    stopped.train(lambda: next(calls) >= 3)
    again = trainer(splits, SETTINGS, tmp_path / "again")
    again.restore(load_checkpoint(tmp_path / "stopped" / CURRENT))
    again.train(lambda: False)
    expected, found = whole.model.state_dict(), again.model.state_dict()
    assert set(expected) == {"mean", "scale", "output.weight", "output.bias"}
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_the_scales_are_those_of_the_checkpoint(splits, tmp_path):
    made = trainer(splits, SETTINGS, tmp_path / "a")
    made.train(lambda: False)
    restored = restore_model(load_checkpoint(tmp_path / "a" / BEST))
    assert isinstance(restored.reads, Descriptors)
    assert torch.equal(restored.mean, made.model.mean)
    assert torch.equal(restored.scale, made.model.scale)


def test_the_exported_model_answers_features_with_the_probability_of_glass(splits):
    network = build_model("structure", Descriptors(), 0.5, torch.Generator().manual_seed(0)).eval()
    network.fit_scales(splits.data.values)
    batch = torch.export.Dim("batch", min=1)
    served = GlassProbability(network, glass=0)
    example = torch.from_numpy(network.reads.example())
    exported = torch.export.export(served, (example,), dynamic_shapes=({0: batch},)).module()
    with torch.inference_mode():
        logits = network(splits.data.values[:7])
        torch.testing.assert_close(exported(splits.data.values[:7]), logits.softmax(dim=1)[:, 0])


def test_liquid_and_glass_are_told_apart(splits, tmp_path):
    """Liquid 5 and glass 200 in 6 test images: nothing is easier."""
    assert scores_on_test(splits, replace(SETTINGS, iterations=20), tmp_path / "a").accuracy == 1


@pytest.fixture(scope="module")
def demo(tmp_path_factory, pool) -> Ensemble:
    """Half of the demo ensemble."""
    folder = tmp_path_factory.mktemp("demo") / "ensembles" / "demo"
    protocol = replace(PRESETS["demo"].protocol, snapshots=(171, 195))
    return make_ensemble(plan_ensemble(folder, "demo", protocol, 200, 1, best_engine()), pool, ignore_progress)


def drawn(demo: Ensemble, pool, glass: int, null: bool):
    recipe = Recipe(
        source="simulate",
        ensemble=demo.name,
        ensemble_digest=demo.digest,
        liquid=171,
        glass=glass,
        image_size=32,
        window=1.0,
        inherent=False,
        null=null,
    )
    folder = demo.folder.parents[1] / "datasets" / f"data_{'null' if null else '12steps'}"
    return make_dataset(folder, demo, recipe, pool, ignore_progress)


@pytest.mark.slow
def test_structure_tells_171_from_195(demo, pool, tmp_path):
    """The log's hardest pair: 60 test images, of which a single mistake is allowed for half of the training data."""
    splits = load_training_splits(drawn(demo, pool, 195, null=False), "structure", "cpu")
    scores = scores_on_test(splits, TrainConfig(model="structure"), tmp_path / "a")
    assert scores.images == 60
    assert scores.accuracy > 0.98
    assert scores.auc > 0.995


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS.names())
def test_nothing_is_learned_where_there_is_nothing(demo, pool, tmp_path, model: str):
    """Snapshot 171 in both classes: a network that finds more than chance on the 30 test images has found a leak."""
    splits = load_training_splits(drawn(demo, pool, 171, null=True), model, "cpu")
    scores = scores_on_test(splits, TrainConfig(model=model, iterations=20), tmp_path / "a")
    assert scores.images == 30
    low, high = scores.interval
    assert low < 0.5 < high

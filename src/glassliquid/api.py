"""The public Python API: a dozen functions, all in `import glassliquid`.

They call the same code as the commands; docs/notebook.ipynb shows all of them. Lengths are in units of sigma_AA, energies in
units of epsilon_AA.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Dataset, Label, open_dataset
from glassliquid.datasets.draw import DrawConfig
from glassliquid.datasets.draw import draw as draw_particles
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError, check_choice
from glassliquid.layout import Layout
from glassliquid.physics import structure
from glassliquid.physics.engines import best_engine, engine_of_this_process
from glassliquid.trajectories.trajectory import Configuration, CoolingCurve, read_configurations, read_cooling_curve

if TYPE_CHECKING:  # PyTorch, MLflow and pandas take seconds, and g(r) needs none of them
    import pandas

    from glassliquid.training.found_model import FoundModel

DATA_DIR = "data"


def load_ensemble(name: str, data_dir: str | Path = DATA_DIR) -> Ensemble:
    """Load an ensemble by name: its protocol, and its simulations with seed and split.

    Raises:
        UserError: there is none, or its description is damaged.
    """
    return open_ensemble(Layout(Path(data_dir)).ensemble(name))


def load_dataset(name: str, data_dir: str | Path = DATA_DIR) -> Dataset:
    """Load a dataset by name: its recipe, and one record for each sample.

    Raises:
        UserError: there is none, or its description is damaged.
    """
    return open_dataset(Layout(Path(data_dir)).dataset(name))


def read_snapshot(ensemble: Ensemble, simulation: int, snapshot: int) -> Configuration:
    """Read one stored snapshot of a simulation: positions, types (0 for A, 1 for B) and side of the box.

    Args:
        ensemble: as returned by `load_ensemble`.
        simulation: its number, from 1.
        snapshot: index k of a stored snapshot, 0 to 200.

    Raises:
        UserError: there is no such simulation or snapshot, or its file is missing or damaged.
    """
    (configuration,) = read_configurations(_file_of(ensemble, simulation), [snapshot])
    return configuration


def cooling_curve(ensemble: Ensemble, simulation: int) -> CoolingCurve:
    """Temperature, potential energy per particle and pressure at all 201 snapshot indices of one simulation's cooling.

    Raises:
        UserError: there is no such simulation, or its file is missing or damaged.
    """
    return read_cooling_curve(_file_of(ensemble, simulation))


def pair_correlation(configuration: Configuration) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Partial pair correlations g_AA, g_AB and g_BB of one configuration.

    Returns:
        Distances in the middle of the bins, shape (bins,), and g(r), shape (3, bins).
    """
    counts = np.bincount(configuration.types, minlength=2)
    pairs = structure.close_pairs(configuration.positions, configuration.types, configuration.length)
    edges = np.linspace(structure.G_START, structure.G_CUTOFF, structure.G_BINS + 1)
    return (edges[1:] + edges[:-1]) / 2, structure.partial_g(pairs, counts, configuration.length)


def features(configuration: Configuration) -> dict[str, float]:
    """The numbers that `model=structure` reads, by name: partial g(r), psi6, coordination, Voronoi areas, bonds and energy."""
    values = structure.features(configuration.positions, configuration.types, configuration.length)
    return {feature.name: float(value) for feature, value in zip(structure.FEATURES, values, strict=True)}


def inherent_structure(configuration: Configuration, engine: str = "auto") -> tuple[Configuration, float]:
    """The local energy minimum below a configuration, and e_IS, its energy per particle.

    Args:
        configuration: where to start from.
        engine: `lammps`, `numba`, or `auto` for the fastest that runs here.

    Raises:
        UserError: there is no such engine, or it does not run here.
    """
    program = engine_of_this_process(best_engine() if engine == "auto" else engine)
    positions, energy = program.minimise(configuration.positions, configuration.types, configuration.length)
    return replace(configuration, positions=positions, log={}), energy


def draw(configuration: Configuration, image_size: int = 128, window: float = 1.0) -> NDArray[np.uint8]:
    """A configuration as an RGB image, shape (image_size, image_size, 3): A orange, B blue.

    Args:
        configuration: what to draw.
        image_size: side of the image [pixels].
        window: side of the part that is shown, as a fraction of the side of the box.

    Raises:
        UserError: the size or the window is out of bounds.
    """
    drawing = DrawConfig(image_size=image_size, window=window)
    return draw_particles(configuration.positions, configuration.types, configuration.length, drawing)


def load_model(address: str, data_dir: str | Path = DATA_DIR) -> "FoundModel":
    """Load a trained network by its address: `models:/glass-liquid@data_liquid5`, a run id, or a checkpoint file.

    Raises:
        UserError: there is no such model, or the tracking store cannot be reached.
    """
    from glassliquid.tracking.find_model import find_model
    from glassliquid.tracking.store import connect

    connect()
    return find_model(address, Layout(Path(data_dir)).runs)


def predict(model: "FoundModel", configurations: list[Configuration]) -> NDArray[np.float64]:
    """P(glass) of each configuration, shape (n,), in [0, 1].

    For a network that reads images, each configuration is drawn as its training images were.

    Raises:
        UserError: the network cannot read such configurations.
    """
    import torch

    from glassliquid.evaluation.predict import predict_stream
    from glassliquid.evaluation.scores import glass_probabilities
    from glassliquid.evaluation.unseen import trained_recipe

    recipe, reads = trained_recipe(model), model.model.reads
    samples = (reads.sample_of(each, recipe) for each in configurations)
    return glass_probabilities(predict_stream(model.model.eval(), samples, torch.device("cpu")))


def explain(model: "FoundModel", configurations: list[Configuration]) -> dict[str, NDArray[np.float64]]:
    """Values that a network gives each particle, by name, shape (n, N) each; empty for `structure`, which has none for single particles.

    `attribution` is the particle's contribution to logit(glass) - logit(liquid); `attention`, for networks that read particles, is
    its weight in the pooling.

    Args:
        model: as returned by `load_model`.
        configurations: of equal numbers of particles.

    Raises:
        UserError: the network cannot read such configurations, or it cannot be explained.
    """
    from glassliquid.datasets.configurations import as_array
    from glassliquid.evaluation.particle_values import particle_values
    from glassliquid.evaluation.unseen import trained_recipe
    from glassliquid.inputs import Samples

    recipe, reads = trained_recipe(model), model.model.reads
    values = reads.stacked([reads.sample_of(each, recipe) for each in configurations])
    unknown = np.zeros(len(configurations), dtype=np.int64)
    rows = np.stack([as_array(each) for each in configurations])
    return particle_values(model.model.eval(), Samples(values, unknown, unknown), rows, recipe)


def configurations_of(dataset: Dataset, split: str = "test") -> tuple[list[Configuration], list[Label]]:
    """The configurations of a dataset's split, and their labels.

    Args:
        dataset: as returned by `load_dataset`.
        split: `train`, `validation` or `test`.

    Raises:
        UserError: the split is another, the dataset has no particles, or a trajectory is missing or damaged.
    """
    from glassliquid.datasets.configurations import lacks_particles, load_configurations

    check_choice("split", split, tuple(Split))
    if reason := lacks_particles(dataset.recipe):
        raise UserError(f"There are no configurations of {dataset.name}: {reason}.")
    places = dataset.split_range(Split(split))
    rows = load_configurations(dataset)[places.start : places.stop]
    records = dataset.records[places.start : places.stop]
    found = [
        Configuration(record.snapshot, row[:, :2], row[:, 2].astype(np.uint32), float(row[0, 3]), {})
        for record, row in zip(records, rows, strict=True)
    ]
    return found, [record.label for record in records]


def runs(experiment: str | None = None) -> "pandas.DataFrame":
    """The runs of an experiment as a table, the newest first: a column for each parameter, last metric and tag, as MLflow names them.

    Args:
        experiment: name or id; None is MLflow's `Default`.

    Raises:
        UserError: there is no such experiment, or the tracking store cannot be reached.
    """
    from glassliquid.tracking.history import find_experiment, runs_table
    from glassliquid.tracking.store import connect

    connect()
    return runs_table(find_experiment(experiment))


def _file_of(ensemble: Ensemble, simulation: int) -> Path:
    found = {each.number: each for each in ensemble.simulations}
    if simulation not in found:
        raise UserError(
            f"The ensemble {ensemble.name} has no simulation {simulation}: choose one from {min(found)} to {max(found)}."
        )
    return ensemble.path(found[simulation])

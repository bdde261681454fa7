"""Our trajectory files in the programs that people use: freud and MDAnalysis find a known crystal in them."""

import warnings

import freud
import gsd.hoomd
import numpy as np
import pytest

from glassliquid.simulation.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.simulation.trajectory import Configuration, write_configurations
from tests.conftest import PROTOCOL, ignore_progress
from tests.simulation.foreign import System, write_dump

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what MDAnalysis itself imports
    import MDAnalysis
    from MDAnalysis.analysis.rdf import InterRDF
    from MDAnalysis.lib.distances import capped_distance

COLUMNS, ROWS = 26, 30
"""A triangular lattice of 26 by 30 fits a square nearly: its rows are 0.07 % too far apart."""
SPACING = 1.1
SIDE = COLUMNS * SPACING
HEIGHT = SIDE / ROWS
"""Distance of the rows."""


def triangular_lattice():
    """Every row is shifted by half a spacing against the one below, shape (780, 2)."""
    rows, columns = np.divmod(np.arange(COLUMNS * ROWS), COLUMNS)
    return np.column_stack([(columns + rows % 2 / 2) * SPACING, rows * HEIGHT]) - SIDE / 2


pytestmark = pytest.mark.filterwarnings("ignore:Reader has no dt information")  # a step's duration is not in the file


@pytest.fixture(scope="module")
def crystal(tmp_path_factory):
    """The lattice as a trajectory file of ours, snapshots 5 and 200, every third particle a B."""
    path = tmp_path_factory.mktemp("crystal") / "sim-00001.gsd"
    positions = triangular_lattice()
    types = (np.arange(len(positions)) % 3 == 2).astype(np.uint32)
    write_configurations(path, PROTOCOL, (Configuration(k, positions, types, SIDE, {}) for k in (5, 200)))
    return path


def test_freud_finds_the_hexatic_order_and_the_shells(crystal):
    with gsd.hoomd.open(str(crystal), "r") as file:
        frame = file[1]
        assert frame.configuration.step == 200 * PROTOCOL.steps_per_snapshot
        query = freud.AABBQuery.from_system(frame)
        assert (np.array(frame.particles.types)[frame.particles.typeid] == "B").sum() == COLUMNS * ROWS // 3
    assert query.box.is2D
    assert (query.box.Lx, query.box.Ly) == pytest.approx((SIDE, SIDE), rel=1e-6)
    order = freud.order.Hexatic(k=6).compute(query, neighbors={"num_neighbors": 6}).particle_order
    # Two neighbours in the row and four above and below: the lattice's own psi_6, nearly but not quite 1.
    angle = np.arctan2(HEIGHT, SPACING / 2)
    expected = (2 + 4 * np.cos(6 * angle)) / 6
    assert expected == pytest.approx(1, abs=1e-4)
    assert np.abs(order - expected).max() < 1e-3  # single precision: 1e-6 of 14 against a spacing of 1.1, six times
    assert np.abs(freud.order.Hexatic(k=4).compute(query, neighbors={"num_neighbors": 6}).particle_order).max() < 0.01
    neighbours = freud.density.RDF(bins=300, r_max=3).compute(query, reset=True)
    assert_shells(neighbours.bin_centers, neighbours.n_r, neighbours.rdf)


def test_mdanalysis_finds_box_types_step_and_shells(crystal):
    universe = MDAnalysis.Universe(str(crystal))
    assert len(universe.trajectory) == 2
    assert universe.dimensions[:2] == pytest.approx([SIDE, SIDE], rel=1e-6)
    assert universe.dimensions[3:].tolist() == [90, 90, 90]
    assert universe.atoms.types.tolist() == ["B" if k % 3 == 2 else "A" for k in range(COLUMNS * ROWS)]
    assert [step.data["step"] for step in universe.trajectory] == [k * PROTOCOL.steps_per_snapshot for k in (5, 200)]
    universe.trajectory[1]
    pairs = capped_distance(universe.atoms.positions, universe.atoms.positions, 1.5 * SPACING, box=universe.dimensions)[
        0
    ]
    assert np.bincount(pairs[pairs[:, 0] != pairs[:, 1], 0]).tolist() == [6] * COLUMNS * ROWS
    found = InterRDF(universe.atoms, universe.atoms, nbins=300, range=(0, 3), exclusion_block=(1, 1)).run()
    per_particle = np.cumsum(found.results.count) / len(universe.trajectory) / len(universe.atoms)
    assert_shells(found.results.bins, per_particle, found.results.count)


def assert_shells(distances, cumulated, density):
    """6 neighbours at the spacing, 6 at sqrt(3) of it, 6 at twice it, and nothing between."""
    for between, count in ((0.9, 0), (1.3, 6), (1.85, 12), (2.2, 18)):
        assert cumulated[np.searchsorted(distances, between * SPACING)] == pytest.approx(count, abs=1e-3)
    for low, high, peak in ((0.5, 1.5, 1), (1.5, 1.9, 3**0.5), (1.9, 2.3, 2)):
        here = (distances > low * SPACING) & (distances < high * SPACING)
        assert distances[here][np.argmax(density[here])] == pytest.approx(peak * SPACING, abs=0.02)  # two bins


def test_mdanalysis_reads_an_imported_file_as_the_dump_it_came_from(tmp_path, pool):
    for number in range(1, 4):
        write_dump(tmp_path / "in" / f"{number}" / "traj.atom", System(seed=number))
    plan = plan_import(tmp_path / "theirs", ImportPlan(input=tmp_path / "in", seed=1))
    made = import_ensemble(plan, tmp_path / "in", pool, ignore_progress)
    universe = MDAnalysis.Universe(str(made.path(made.simulations[1])))
    system = System(seed=2)
    for number, step in enumerate(universe.trajectory):
        difference = step.positions[:, :2] - system.expected(number)
        difference -= 6.5 * np.round(difference / 6.5)
        assert np.abs(difference).max() < 1e-5
    assert "".join(universe.atoms.types) == "A" * 24 + "B" * 16

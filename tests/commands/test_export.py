"""Exported dumps: read by MDAnalysis as by us, brought back without loss, continued when interrupted."""

import gzip
import warnings
from collections import Counter

import numpy as np
import pytest

from glassliquid.commands import export as workflow
from glassliquid.commands.export import export
from glassliquid.commands.jobs import ExportJob
from glassliquid.ensembles.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.ensembles.workers import run_all
from glassliquid.errors import UserError
from glassliquid.physics.potential import box_length
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import PROTOCOL, SIMULATIONS, contents, ignore_progress

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from MDAnalysis.coordinates.LAMMPS import DumpReader


def test_a_dump_has_the_particles_of_the_trajectory(ensemble, data_dir, tmp_path):
    assert export(ExportJob(ensemble="small", data_dir=data_dir, output=tmp_path / "out", workers="2")) == SIMULATIONS
    expected = read_configurations(ensemble.path(ensemble.simulations[0]))
    length = box_length(PROTOCOL.particles)
    path = tmp_path / "out" / "00001" / "traj.atom"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames = [
            (frame.data["step"], frame.dimensions.copy(), frame.positions.copy())
            for frame in DumpReader(str(path), lammps_coordinate_convention="unscaled")
        ]
    assert len(frames) == len(expected)
    for (step, box, positions), configuration in zip(frames, expected, strict=True):
        assert step == configuration.snapshot * PROTOCOL.steps_per_snapshot
        assert box[:2] == pytest.approx([length, length], rel=1e-6)
        # MDAnalysis moves the box's corner to the origin.
        assert np.abs(positions[:, :2] - length / 2 - configuration.positions).max() < 1e-5
    types = [line.split()[1] for line in path.read_text().splitlines()[9 : 9 + PROTOCOL.particles]]
    assert Counter(types) == {"1": 65, "2": 35}


@pytest.mark.parametrize("kind", ["dump", "dump.gz"])
def test_an_export_comes_back_bit_for_bit(ensemble, data_dir, tmp_path, pool, kind):
    export(ExportJob(ensemble="small", data_dir=data_dir, output=tmp_path / "out", format=kind, snapshots=(5, 200)))
    plan = plan_import(tmp_path / "back", ImportPlan(input=tmp_path / "out", seed=1, cooling_steps=2_000))
    back = import_ensemble(plan, pool, ignore_progress)
    assert [each.split for each in back.simulations] == [each.split for each in ensemble.simulations]
    for one, other in zip(back.simulations, ensemble.simulations, strict=True):
        for found, expected in zip(
            read_configurations(back.path(one)), read_configurations(ensemble.path(other), [5, 200]), strict=True
        ):
            assert found.snapshot == expected.snapshot
            assert np.array_equal(found.types, expected.types)
            assert np.array_equal(found.positions, expected.positions)


def test_an_interrupted_export_continues_and_is_not_mixed(ensemble, data_dir, tmp_path):
    config = ExportJob(ensemble="small", data_dir=data_dir, output=tmp_path, format="dump.gz", snapshots=(5,))
    export(config)
    whole = contents(tmp_path)
    (tmp_path / "00007" / "traj.atom.gz").unlink()
    (tmp_path / "00007" / ".traj.atom.gz.x.partial").touch()
    export(config)
    assert contents(tmp_path) == whole
    assert not (tmp_path / "00007" / ".traj.atom.gz.x.partial").exists()
    assert gzip.decompress(whole["00007/traj.atom.gz"]).count(b"ITEM: TIMESTEP") == 1
    other = ExportJob(ensemble="small", data_dir=data_dir, output=tmp_path, format="dump.gz", snapshots=(5, 60))
    with pytest.raises(UserError, match=r"holds another export \(different snapshots\): pass another folder"):
        export(other)
    (tmp_path / "export.json").unlink()
    with pytest.raises(UserError, match=r"is not empty \(found 00001, 00002, 00003\)"):
        export(config)
    assert len(contents(tmp_path)) == SIMULATIONS


def test_what_a_killed_worker_left_half_written_goes_with_the_command(ensemble, data_dir, tmp_path, monkeypatch):
    left = tmp_path / "00007" / ".traj.atom.killed.partial"

    def run_and_leave(*arguments):
        yield from run_all(*arguments)
        left.touch()

    monkeypatch.setattr(workflow, "run_all", run_and_leave)
    export(ExportJob(ensemble="small", data_dir=data_dir, output=tmp_path, snapshots=(5,)))
    assert (tmp_path / "00007" / "traj.atom").exists()
    assert not left.exists()


def test_what_cannot_be_exported_is_one_sentence(ensemble, data_dir, copied, tmp_path):
    for options, message in (
        ({"format": "pdb"}, "format is 'pdb'.*dump, dump.gz"),
        ({"ensemble": "other"}, "no ensemble 'other'"),
        ({"snapshots": (7,)}, "snapshots is 7, which the ensemble 'small' does not store"),
    ):
        with pytest.raises(UserError, match=message):
            export(ExportJob(**{"ensemble": "small", "data_dir": data_dir, "output": tmp_path / "out", **options}))
    folder = copied(ensemble.folder)
    (folder / "sim-00004.gsd").unlink()
    with pytest.raises(UserError, match=r"1 simulations of .*small are missing"):
        export(ExportJob(ensemble="small", data_dir=tmp_path))
    assert not (tmp_path / "exports").exists()

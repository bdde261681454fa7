"""What a machine may lack: LAMMPS, libmpi, room on the disk, the right to write."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import PROJECT, Command
from tests.commands.test_bad_input import assert_one_sentence

SMALL = {
    "particles": 64,
    "cooling_steps": 200,
    "simulations": 20,
    "snapshots": "5,200",
    "ensemble": "tiny",
    "workers": 2,
}


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("raise ImportError('No module named lammps')", "LAMMPS is not installed .*requirements.lock"),
        (
            "def lammps(**_): raise OSError('libmpi.so.12: cannot open shared object file')",
            "a library is missing .libmpi.so.12.*install mpich",
        ),
    ],
)
def test_without_lammps_or_libmpi(environment: dict[str, str], tmp_path: Path, package: str, message: str):
    (tmp_path / "lammps.py").write_text(package)
    arguments = ["--engine", "lammps", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints.make_data", *arguments],
        cwd=PROJECT,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert_one_sentence(done, message)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system can only be mounted by root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let tests mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_the_same_command_goes_on(command: Command, small_disk: Path):
    done = command("make_data", data_dir=small_disk, image_size=250, **SMALL)
    assert_one_sentence(done, "the disk is full: free some space, then run the same command again")
    simulated = {path.name: path.read_bytes() for path in small_disk.glob("ensembles/tiny/sim-*.gsd")}
    assert len(simulated) == 20
    assert not (small_disk / "datasets" / "data_liquid5").exists()
    assert list(small_disk.rglob("*.partial")) == []
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert command("make_data", data_dir=small_disk, image_size=250, **SMALL).returncode == 0
    assert {path.name: path.read_bytes() for path in small_disk.glob("ensembles/tiny/sim-*.gsd")} == simulated


def test_a_full_disk_stops_a_training_with_a_sentence(command: Command, small_disk: Path):
    subprocess.run(["mount", "-o", "remount,size=3m", str(small_disk)], check=True)
    assert command("make_data", data_dir=small_disk, image_size=64, **SMALL).returncode == 0
    settings = {"model": "cnn2018", "batch_size": 8, "iterations": 2, "data_dir": small_disk}
    assert_one_sentence(
        command("train", **settings), "Cannot write .*(the disk is full|make sure that the disk has room)"
    )


def test_a_read_only_folder(command: Command, small_disk: Path):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = command("make_data", data_dir=small_disk, **SMALL)
    assert_one_sentence(done, "the file system is read-only: choose another data_dir")

"""Other people's files, one kind a case, through the whole of make_data: what is read back is what was written."""

import contextlib
import importlib
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from entrypoints import shell
from glassliquid.datasets.description import open_dataset
from glassliquid.ensembles.ensemble import open_ensemble
from glassliquid.trajectories.trajectory import read_configurations
from tests.commands.test_bad_input import assert_one_sentence
from tests.ensembles.cases import SIDE, Run, dump, xyz
from tests.ensembles.peoples_files import FILES, RUNS, write
from tests.trajectories.foreign import assert_same_places


@pytest.fixture
def make_data(tracking_uri, monkeypatch, capfd, pool):
    """`make_data` in this process, with the worker processes that all tests share."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setattr("glassliquid.datasets.make.open_pool", lambda *_: contextlib.nullcontext(pool))
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(**options: object) -> subprocess.CompletedProcess[str]:
        arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        monkeypatch.setattr(sys, "argv", ["entrypoints.make_data", *arguments])
        code = 0
        try:
            shell.run(importlib.import_module("entrypoints.make_data").main)
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)

    yield run
    for number, handler in kept.items():
        signal.signal(number, handler)


@dataclass
class Case:
    """Files of one kind, and what is right."""

    name: str
    """What each run's file is called; `{n}` is its number."""
    text: Any
    """Gives its content."""
    options: dict[str, object] = field(default_factory=dict)
    """What has to be passed."""
    complaint: str = ""
    """What the command says if it is not passed; empty if nothing has to be."""
    first: int = 1
    """The species that is the large one."""
    shift: float = 0.0
    runs: list[Run] = field(default_factory=lambda: RUNS)
    indices: tuple[int, ...] = (0, 100, 200)
    side: float = SIDE
    folder: str = "theirs"


def as_before(kind: str, **more: Any) -> Case:
    """A case of the tests of imports."""
    name, text, plan = FILES[kind]
    shift, first = plan.get("shift", 0.0), plan.get("first", 1)
    options = {key: value for key, value in plan.items() if key not in ("shift", "first")}
    return Case(f"{{n}}/{name}", text, options, shift=shift, first=first, **more)


def in_metal_units(run: Run) -> str:
    far = {axis: run.positions[:, :, place] * 2.5 for place, axis in enumerate("xy")}
    frames = [dump(run, [k], more={axis: values[k] for axis, values in far.items()}) for k in range(3)]
    return "ITEM: UNITS\nmetal\n" + "".join(frames).replace(repr(SIDE), repr(2.5 * SIDE))


class JustOutside(Run):
    """One particle is over the edge, until LAMMPS rebuilds its neighbour lists and wraps it."""

    @property
    def positions(self):
        positions = super().positions
        positions[:, 5, 0] = SIDE + 0.02
        return positions


class Denser(Run):
    """The same in a smaller box."""

    @property
    def positions(self):
        return super().positions * DENSER

    def expected(self, frame, first=1):
        return super().expected(frame, first) + SIDE / 2 - SIDE / 2 * DENSER


DENSER = (1.2 / 1.4) ** 0.5
LATE = [Run(seed, (10_000, 15_000, 20_000)) for seed in (1, 2, 3)]
NUMBERED = [Run(seed, tuple(range(0, 100, 11))) for seed in (1, 2, 3)]
LONG = [Run(seed, (0, 500_000, 1_000_000)) for seed in (1, 2, 3)]
NO_BOX = "has no box: pass the number of particles per sigma_AA.2 as density"

CASES = {
    "dump_blank_line_at_end": as_before("blank line at the end"),
    "dump_element_only": as_before("element without type"),
    "dump_ending_txt": as_before("txt"),
    "dump_no_newline_at_end": as_before(
        "last line without its end", complaint="lacks only that line's end: .*unterminated=true"
    ),
    "dump_radius_type2_larger": as_before("radius"),
    "dump_restart_repeats_step": as_before("restart repeats a step"),
    "dump_starts_after_equilibration": Case("{n}/traj.atom", dump, runs=LATE),
    "dump_units_metal": Case("{n}/traj.atom", in_metal_units, {"sigma": 2.5}, r"is in units 'metal': pass sigma_AA"),
    "dump_zero_tilt": as_before("zero tilt"),
    "equilibration_beside_production": Case(
        "run{n}/prod.lammpstrj",
        dump,
        {"files": "prod.lammpstrj"},
        r"are both simulation 1, .*: choose files by name, such as files=heating\.lammpstrj, files=prod\.lammpstrj",
    ),
    "nested_folders": Case("seed{n}/prod/traj.lammpstrj", dump),
    "steps_0_to_99": Case("{n}/traj.atom", dump, runs=NUMBERED, indices=(0, 22, 44, 67, 89, 111, 133, 156, 178, 200)),
    "xyz_2d_positions": as_before("2D positions"),
    "xyz_atooms": as_before("atooms"),
    "xyz_box_missing_denser": Case(
        "{n}/traj.xyz",
        lambda run: xyz(run, "Atoms. Timestep: {step}", names="12"),
        {"density": 1.4},
        NO_BOX,
        runs=[Denser(seed) for seed in (1, 2, 3)],
        side=SIDE * DENSER,
        shift=SIDE * DENSER / 2,
    ),
    "xyz_lammps_just_outside_box": Case(
        "{n}/traj.xyz",
        lambda run: xyz(run, "Atoms. Timestep: {step}", names="12"),
        {"density": 1.2},
        NO_BOX,
        runs=[JustOutside(seed) for seed in (1, 2, 3)],
        shift=SIDE / 2,
    ),
    "folder name with space": Case(
        "{n}/traj.atom",
        dump,
        {"ensemble": "theirs"},
        "The ensemble is called after its folder, and 'folder name with space' is not a valid name: pass another as ensemble=NAME",
        folder="folder name with space",
    ),
    "xyz_id_first": as_before("id first"),
    "xyz_long_type_names": as_before("long names"),
    "xyz_step_with_exponent": Case(
        "{n}/traj.xyz",
        lambda run: xyz(run, "{lattice} Timestep={step}").replace("=500000", "=5e+05").replace("=1000000", "=1e+06"),
        shift=SIDE / 2,
        runs=LONG,
    ),
    "xyz_time_key": as_before("time"),
    "xyz_velocities_before_positions": as_before("velocities first"),
    "yaml": as_before("yaml"),
    "h5md": as_before("h5md"),
    "npz": as_before("npz", complaint=r"has the arrays r, kind, L, t: say which are"),
}


def passed(options: dict[str, object]) -> dict[str, object]:
    """As they are typed."""
    return {
        key: ",".join(map(":".join, value))
        if isinstance(value, tuple)
        else str(value).lower()
        if value is True
        else value
        for key, value in options.items()
    }


@pytest.mark.parametrize("kind", CASES)
def test_what_is_read_back_is_what_was_written(make_data, tmp_path, kind):
    case = CASES[kind]
    for number, run in enumerate(case.runs, start=1):
        write(tmp_path / case.folder / case.name.format(n=number), case.text(run))
        if kind == "equilibration_beside_production":
            write(tmp_path / "theirs" / f"run{number}" / "heating.lammpstrj", dump(Run(90 + number)))
    common = {"source": "trajectories", "input": tmp_path / case.folder, "data_dir": tmp_path / "data"}
    common |= {"liquid": 0, "image_size": 32}
    options = passed(case.options)
    if case.complaint:
        assert_one_sentence(make_data(**common), case.complaint)
        assert not (tmp_path / "data" / "datasets").exists()
    done = make_data(**common, **options)
    assert done.returncode == 0, done.stderr
    made = open_ensemble(tmp_path / "data" / "ensembles" / "theirs")
    assert made.protocol.snapshots == case.indices
    for simulation, run in zip(made.simulations, case.runs, strict=True):
        found = read_configurations(made.path(simulation))
        for frame, each in enumerate(found):
            assert each.length == pytest.approx(case.side, rel=1e-6)
            assert np.count_nonzero(each.types == 0) == np.count_nonzero(run.types == case.first)
            assert_same_places(each.positions, run.expected(frame, case.first) + case.shift, case.side)
    assert len(open_dataset(tmp_path / "data" / "datasets" / "data_liquid5").records) == 6


TOO_FEW = {
    "one_simulation_only": (
        {"1/traj.atom": (0, 1, 2)},
        r"has 1 simulation \(1/traj\.atom\), but each of the splits .*: put at least 3",
    ),
    "one_file_a_frame_flat": (
        {"dump.0.lammpstrj": (0,), "dump.5000.lammpstrj": (1,), "dump.10000.lammpstrj": (2,)},
        r"has 1 simulation \(dump\.0\.lammpstrj and 2 more\), but each of the splits",
    ),
}


@pytest.mark.parametrize("kind", TOO_FEW)
def test_one_simulation_is_refused_and_rehearsed(make_data, tmp_path, kind):
    files, complaint = TOO_FEW[kind]
    for name, frames in files.items():
        write(tmp_path / "theirs" / name, dump(RUNS[0], frames))
    options = {"source": "trajectories", "input": tmp_path / "theirs", "data_dir": tmp_path / "data", "liquid": 0}
    assert_one_sentence(make_data(**options), complaint)
    done = make_data(**options, dry_run="true")
    assert done.returncode == 0, done.stderr
    assert re.search(complaint, done.stdout)
    assert "Time steps 0 to 10000 are the indices 0 (T = 2) to 200 (T = 0.05), 3 in all" in done.stdout
    assert not (tmp_path / "data").exists()


def draw(path: Path, *pages: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = map(Image.fromarray, pages)
    first.save(path, **({"save_all": True, "append_images": others} if others else {}))


def grey(value: int, kind: type = np.uint8) -> np.ndarray:
    """Of one's own value, with a corner of another, so that no picture is of one colour."""
    picture = np.full((24, 24), value, kind)
    picture[:4] = 250
    return picture


def names_of_images(numbers: range, name: str) -> dict[str, tuple[str, int]]:
    """Names of pictures with what they are."""
    return {name.format(label=label, k=k): (label, k) for label in ("glass", "liquid") for k in numbers}


SPLITS = {"train": range(1, 15), "val": range(15, 18), "test": range(18, 21)}
IMAGES = {
    "images_glassformer_prefix": names_of_images(range(1, 21), "{label}/glassformer_{k:04d}.png"),
    "images_size_in_name": names_of_images(range(1, 21), "{label}_{k:03d}_250x250.png"),
    "images_own_split": {
        name: what
        for split, numbers in SPLITS.items()
        for name, what in names_of_images(numbers, f"{split}/{{label}}/{{k:04d}}.png").items()
    },
    "tif_8bit_values_in_16bit": names_of_images(range(1, 21), "{label}_{k}.tif"),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_pictures_are_what_their_names_say(make_data, tmp_path, kind):
    names = IMAGES[kind]
    is_deep = kind.startswith("tif")
    for place, name in enumerate(names):
        draw(tmp_path / "theirs" / name, grey(place + 1, np.uint16 if is_deep else np.uint8))
    done = make_data(source="images", input=tmp_path / "theirs", data_dir=tmp_path / "data", image_size=24)
    assert done.returncode == 0, done.stderr
    dataset = open_dataset(tmp_path / "data" / "datasets" / "data_liquid5")
    assert len(dataset.records) == len(names)
    values = {what: place + 1 for place, what in enumerate(names.values())}
    if is_deep:  # from 1 to 250, stretched
        assert "the values from 1 to 250 become 0 to 255" in done.stdout
        values = {what: (value - 1) * 255 // 249 for what, value in values.items()}
    for record in dataset.records:
        with Image.open(dataset.folder / record.file_name) as image:
            pixels = np.asarray(image)
        assert (pixels[4:] == values[record.label.value, record.simulation]).all()
        if kind == "images_own_split":
            split = next(split for split, numbers in SPLITS.items() if record.simulation in numbers)
            assert record.split.value == {"val": "validation"}.get(split, split)
    if kind == "images_own_split":
        assert "28 for train, 6 for validation, 6 for test, as the folders say" in done.stdout


def test_frames_of_few_runs_are_asked_about(make_data, tmp_path):
    for label in ("glass", "liquid"):
        for k in range(1, 21):
            draw(tmp_path / "theirs" / label / f"run{(k - 1) // 5 + 1}_frame{k:04d}.png", grey(k))
    options = {"source": "images", "input": tmp_path / "theirs", "data_dir": tmp_path / "data"}
    assert_one_sentence(
        make_data(**options), "say which is the simulation, number=run if it is 1, number=frame if it is 0001"
    )
    assert_one_sentence(
        make_data(**options, number="run"),
        r"run1_frame0002\.png is glass of simulation 1, but so is glass/run1_frame0001",
    )
    assert not (tmp_path / "data" / "datasets" / "data_liquid5").exists()


@pytest.mark.parametrize("ending", ["tif", "gif", "png"])
def test_stacks_and_animations_are_refused(make_data, tmp_path, ending):
    for name in names_of_images(range(1, 21), "{label}_{k}"):
        draw(tmp_path / "theirs" / f"{name}.{ending}", grey(1), grey(2), grey(3))
    options = {"source": "images", "input": tmp_path / "theirs", "data_dir": tmp_path / "data"}
    assert_one_sentence(make_data(**options), rf"glass_1\.{ending} has several pages or frames: save each as a file")


@pytest.mark.parametrize("ending", ["tif", "gif", "png"])
def test_pages_are_simulations_if_the_user_says_so(make_data, tmp_path, ending):
    for label, start in (("glass", 100), ("liquid", 0)):
        draw(tmp_path / "theirs" / f"{label}.{ending}", *(grey(start + k) for k in range(1, 21)))
    done = make_data(
        source="images", input=tmp_path / "theirs", data_dir=tmp_path / "data", image_size=24, number="page"
    )
    assert done.returncode == 0, done.stderr
    assert f"20 images of glass, such as glass.{ending} (page 1) (simulation 1)." in done.stdout
    dataset = open_dataset(tmp_path / "data" / "datasets" / "data_liquid5")
    assert len(dataset.records) == 40
    for record in dataset.records:
        with Image.open(dataset.folder / record.file_name) as image:
            value = {"glass": 100, "liquid": 0}[record.label.value] + record.simulation
            assert (np.asarray(image)[4:] == value).all()
    write(tmp_path / "theirs" / f"more_glass.{ending}", (tmp_path / "theirs" / f"glass.{ending}").read_bytes())
    assert_one_sentence(
        make_data(source="images", input=tmp_path / "theirs", data_dir=tmp_path / "data", name="again", number="page"),
        rf"more_glass\.{ending} is glass of simulation 1, but so is glass\.{ending} \(page 1\)",
    )


def test_runs_that_letters_number_are_told(make_data, tmp_path):
    for label in ("glass", "liquid"):
        for k in range(1, 21):
            draw(tmp_path / "theirs" / label / f"run{'ABCD'[(k - 1) // 5]}_{k:04d}.png", grey(k))
    done = make_data(source="images", input=tmp_path / "theirs", data_dir=tmp_path / "data", dry_run="true")
    assert (
        "The names differ in more than numbers (glass/runA_#, glass/runB_#, glass/runC_#, glass/runD_#)" in done.stdout
    )
    done = make_data(
        source="images", input=tmp_path / "theirs", data_dir=tmp_path / "data", dry_run="true", number="_(\\d+)"
    )
    assert "differ in more" not in done.stdout


def test_a_name_that_cannot_be_is_called_by_its_parameter(make_data, tmp_path):
    assert_one_sentence(make_data(name="a/b", data_dir=tmp_path), "name is 'a/b': use up to 100 letters")
    assert_one_sentence(make_data(name="v1", data_dir=tmp_path), "name is 'v1', which cannot be the alias")

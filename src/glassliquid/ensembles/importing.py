"""Ensembles from other people's trajectories: a folder of files, one a simulation, becomes an ensemble as simulated ones are.

Snapshots are mapped to indices by their time step: index k is the frame at `first_step` + k/200 of the cooling's steps.
Frames between the marks are passed over.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassliquid.ensembles.ensemble import SPLIT_STREAM, Ensemble, Origin, Simulation, check_seed
from glassliquid.ensembles.making import complete_ensemble
from glassliquid.ensembles.split import Split, draw_split
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed
from glassliquid.files import check_name
from glassliquid.physics.protocol import INTERVALS, Protocol
from glassliquid.progress_bar import ShowProgress
from glassliquid.trajectories.frames import SAME_LENGTH, Frame, Location
from glassliquid.trajectories.readers import format_of, known_endings, read_frames
from glassliquid.trajectories.trajectory import Configuration, write_configurations

PRESET = "imported"
"""Stands in `ensemble.json` where simulated ensembles have the name of their preset."""


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """What is imported; None stands for what the files say."""

    input: Path
    """Folder of the files."""
    seed: int
    """Seed of the split."""
    cooling_steps: int | None = None
    """Time steps of the cooling; None: up to the last frame of the first simulation."""
    snapshots: tuple[int, ...] | None = None
    """Indices to import; None: all that the first simulation has."""
    first_step: int = 0
    """Time step at which the cooling starts."""


@dataclass(frozen=True)
class ImportTask:
    """One simulation to import."""

    source: Path
    target: Path
    protocol: Protocol
    origin: Origin


def find_trajectories(folder: Path) -> list[Path]:
    """The trajectory of every simulation in a folder, in the order of their numbers.

    A file's number is that in the name of its own folder below `folder` (`00012/traj.atom`), or else the last one in its own
    name (`sim-00012.gsd`). If a simulation's folder has files of several formats, that of the first format by name is taken.

    Raises:
        UserError: there is no folder or no trajectory in it, or two have the same number.
    """
    if not folder.is_dir():
        raise UserError(f"input is {str(folder)!r}, which is no folder: pass the folder that has the simulations.")
    endings = known_endings()
    found: dict[int, dict[str, Path]] = {}
    for path in sorted([*folder.iterdir(), *folder.glob("*/*")]):
        kind = format_of(path, endings)
        if kind is None or path.name.startswith(".") or path.parent.name.startswith(".") or not path.is_file():
            continue
        numbers = re.findall(r"\d+", path.parent.name) if path.parent != folder else []
        numbers = numbers or re.findall(r"\d+", path.name.split(".gz")[0].rpartition(".")[0])
        if not numbers:
            raise UserError(f"{path} has no number in its name: name simulations as 00001/traj.atom or sim-00001.gsd.")
        number = int(numbers[-1])
        same = found.setdefault(number, {})
        other = same.get(kind) or next((each for each in same.values() if each.parent != path.parent), None)
        if other is not None:
            raise UserError(f"{other} and {path} are both simulation {number}: take one of them out of the folder.")
        same[kind] = path
    if not found:
        raise UserError(
            f"{folder} has no trajectories: they are called <number>/traj.atom, <number>/traj.xyz (.gz as well) or "
            "sim-<number>.gsd."
        )
    return [found[number][min(found[number])] for number in sorted(found)]


def plan_import(folder: Path, plan: ImportPlan) -> Ensemble:
    """The ensemble that the files give, from their names and the whole of the first; nothing is written.

    Raises:
        UserError: the files are not an ensemble's, or the first is damaged or has none of the snapshots.
    """
    check_name("ensemble", folder.name)
    check_seed(plan.seed)
    files = find_trajectories(plan.input)
    steps, first = _survey(files[0], plan.first_step)
    cooling_steps = steps[-1] - plan.first_step if plan.cooling_steps is None else plan.cooling_steps
    if cooling_steps < INTERVALS or cooling_steps % INTERVALS:
        raise UserError(
            f"cooling_steps is {cooling_steps} ({'as given' if plan.cooling_steps else f'the last time step in {files[0]}'}), and it "
            f"must be a positive multiple of {INTERVALS}: pass the steps from T = 2.0 to T = 0.05 as cooling_steps."
        )
    marks = (divmod(step - plan.first_step, cooling_steps // INTERVALS) for step in steps)
    there = tuple(index for index, rest in marks if rest == 0 and index <= INTERVALS)
    snapshots = there if plan.snapshots is None else plan.snapshots
    if missing := sorted(set(snapshots) - set(there)):
        raise UserError(
            f"{files[0]} has no snapshot {listed(missing)} (it has {listed(there)}): choose snapshots from these."
        )
    if not snapshots:
        raise UserError(
            f"{files[0]} has no frame at a multiple of {cooling_steps // INTERVALS} time steps from {plan.first_step} on: pass the "
            "cooling's own cooling_steps and first_step."
        )
    particles_a = int((first.types == 0).sum())
    origin = Origin(species=first.species, particles_a=particles_a, length=first.length, first_step=plan.first_step)
    protocol = Protocol(
        particles=len(first.types), equilibration_steps=0, cooling_steps=cooling_steps, snapshots=snapshots
    )
    splits = draw_split(len(files), np.random.default_rng([plan.seed, SPLIT_STREAM]))
    members = (
        _member(number, split, file.relative_to(plan.input).as_posix(), plan.input.name)
        for number, (file, split) in enumerate(zip(files, splits, strict=True), start=1)
    )
    return Ensemble(
        folder=folder, preset=PRESET, protocol=protocol, seed=plan.seed, origin=origin, simulations=tuple(members)
    )


def import_ensemble(wanted: Ensemble, source: Path, pool: WorkerPool, progress: ShowProgress) -> Ensemble:
    """Import what is missing of a planned ensemble; each file appears whole, so an interrupted import continues.

    Raises:
        UserError: a file is damaged or does not belong to the others, or the folder holds something else.
    """
    assert wanted.origin is not None  # planned by plan_import
    origin, protocol = wanted.origin, wanted.protocol
    tasks = (
        ImportTask(source / simulation.file, wanted.path(simulation), protocol, origin)
        for simulation in wanted.simulations
    )
    return complete_ensemble(wanted, import_one, tasks, pool, progress)


def import_one(task: ImportTask) -> None:
    """Import one simulation, a frame at a time."""
    write_configurations(task.target, task.protocol, _configurations(task))


def _configurations(task: ImportTask) -> Iterator[Configuration]:
    steps = task.protocol.steps_per_snapshot
    lacking = {task.origin.first_step + index * steps: index for index in task.protocol.snapshots}
    location = Location(task.source)
    for frame in read_frames(task.source, lacking.__contains__):
        _check_same_system(location, frame, task)
        yield Configuration(lacking.pop(frame.step), frame.positions, frame.types, task.origin.length, {})
    if lacking:
        step, index = next(iter(lacking.items()))
        location.refuse(
            f"lacks snapshot {index} (time step {step}) and {len(lacking) - 1} more, which the first simulation has"
        )


def _check_same_system(location: Location, frame: Frame, task: ImportTask) -> None:
    origin = task.origin
    for name, found, expected in (
        ("types", frame.species, origin.species),
        ("particles", len(frame.types), task.protocol.particles),
        ("particles of the first type", int((frame.types == 0).sum()), origin.particles_a),
    ):
        if found != expected:
            location.refuse(f"has {name} {found} at time step {frame.step} where the first simulation has {expected}")
    if abs(frame.length - origin.length) > SAME_LENGTH * origin.length:
        location.refuse(
            f"has a box of side {frame.length:g} at time step {frame.step} where the first simulation has {origin.length:g}"
        )


def _member(number: int, split: Split, file: str, folder: str) -> Simulation:
    """A simulation whose seed nobody knows: a number of its own stands for it, the same wherever this file is imported."""
    own = int.from_bytes(hashlib.sha256(os.fsencode(f"{folder}/{file}")).digest()[:8], "big")
    return Simulation(number, own, split, file)


def _survey(path: Path, first_step: int) -> tuple[list[int], Frame]:
    """All time steps of a file from `first_step` on, and the frame at the first of them."""
    steps: list[int] = []

    def note(step: int) -> bool:
        if step >= first_step:
            steps.append(step)
        return len(steps) == 1 and step >= first_step

    frames = list(read_frames(path, note))
    if not frames:
        Location(path).refuse(f"has no frame at time step {first_step} or later")
    return steps, frames[0]

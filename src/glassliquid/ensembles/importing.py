"""Ensembles from other people's trajectories: a folder of files becomes an ensemble as simulated ones are.

Snapshots are mapped to indices by their time step (`time_steps`), or by the temperature of their files (`series`).
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from glassliquid.ensembles.copies import check_no_copies
from glassliquid.ensembles.ensemble import SPLIT_STREAM, Ensemble, Origin, Simulation, check_seed
from glassliquid.ensembles.found_files import find_trajectories
from glassliquid.ensembles.making import complete_ensemble
from glassliquid.ensembles.series import check_same_indices, find_series, last_frame
from glassliquid.ensembles.split import SMALLEST_ENSEMBLE, Split, draw_split
from glassliquid.ensembles.time_steps import indices_of, start_of_cooling, survey
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed
from glassliquid.files import check_name
from glassliquid.physics.protocol import INTERVALS, SMALLEST_PARTICLES, Protocol, temperature
from glassliquid.progress_bar import ShowProgress
from glassliquid.trajectories.frames import SAME_LENGTH, Frame, Hints, Location
from glassliquid.trajectories.look import look_at
from glassliquid.trajectories.readers import description_of, read_frames
from glassliquid.trajectories.trajectory import Configuration, write_configurations

PRESET = "imported"
"""Stands in `ensemble.json` where simulated ensembles have the name of their preset."""


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """What is imported; None stands for what the files say."""

    input: Path
    """Folder of the files, or one of them."""
    seed: int
    """Seed of the split."""
    cooling_steps: int | None = None
    """Time steps of the cooling; None: up to the last frame of the first simulation."""
    snapshots: tuple[int, ...] | None = None
    """Indices to import; None: all that the first simulation has."""
    first_step: int | None = None
    """Time step at which the cooling starts; None: 0, or that of the first frame if this is later."""
    files: str | None = None
    """Pattern of the files' names."""
    number: str | None = None
    """Where in the names the simulations' numbers are."""
    temperature: str | None = None
    """Word before the temperature in the names of series at constant temperature; None: they are coolings."""
    hints: Hints = field(default_factory=Hints)
    """What the files do not say."""
    is_rehearsal: bool = False
    """Whether too few simulations are only remarked upon."""


@dataclass(frozen=True)
class ImportTask:
    """One simulation to import."""

    sources: tuple[Path, ...]
    target: Path
    protocol: Protocol
    origin: Origin
    indices: dict[int, int]
    """Time steps to indices; empty if each source is a snapshot, at constant temperature."""
    hints: Hints = field(default_factory=Hints)
    last_step: int | None = None
    """Time step at which the cooling ends, where the first simulation is all that tells it; no other may run on."""


@dataclass(frozen=True)
class PlannedImport:
    """What the files give."""

    ensemble: Ensemble
    tasks: tuple[ImportTask, ...]
    """One for each of the simulations."""
    first: Frame
    """The first frame of the first simulation."""
    remarks: tuple[str, ...]
    """Sentences: how the files were understood, and what looks odd in them."""


def plan_import(folder: Path, plan: ImportPlan) -> PlannedImport:
    """The ensemble that the files give, from their names and the whole of the first; nothing is written.

    Raises:
        UserError: the files are not an ensemble's, or the first is damaged or has none of the snapshots.
    """
    check_name("ensemble", folder.name)
    check_seed(plan.seed)
    series: list[dict[int, Path]] = []
    indices: dict[int, int] = {}
    last_step = None
    if plan.temperature is None:
        found = find_trajectories(plan.input, plan.files, plan.number)
    else:
        series = find_series(plan.input, plan.temperature, plan.files, plan.number)
        found = [tuple(each.values()) for each in series]
    names = [_named(sources, plan.input) for sources in found]
    too_few = _too_few(plan.input, names)
    if too_few and not plan.is_rehearsal:
        raise UserError(too_few)
    if series:
        check_same_indices(series)
        first, first_step, cooling_steps = last_frame(found[0][0], plan.hints), 0, INTERVALS
        snapshots = tuple(series[0])
    else:
        steps, first = survey(found[0], plan.first_step, plan.hints)
        first_step = start_of_cooling(names[0], steps, plan.first_step, plan.cooling_steps)
        steps = [step for step in steps if step >= first_step]
        last_step = steps[-1] if plan.cooling_steps is None else None
        cooling_steps, indices = indices_of(names[0], steps, first_step, plan.cooling_steps, plan.snapshots)
        snapshots = tuple(sorted(indices.values()))
    if len(first.types) < SMALLEST_PARTICLES:
        first.location.refuse(f"has {len(first.types)} particles, but at least {SMALLEST_PARTICLES} are needed")
    particles_a = int((first.types == 0).sum())
    origin = Origin(species=first.species, particles_a=particles_a, length=first.length, first_step=first_step)
    protocol = Protocol(
        particles=len(first.types),
        equilibration_steps=0,
        cooling_steps=cooling_steps,
        snapshots=snapshots,
    )
    splits = draw_split(max(len(found), SMALLEST_ENSEMBLE), np.random.default_rng([plan.seed, SPLIT_STREAM]))
    members = tuple(
        _member(number, split, name, plan.input.name)
        for number, (name, split) in enumerate(zip(names, splits, strict=False), start=1)
    )
    ensemble = Ensemble(
        folder=folder, preset=PRESET, protocol=protocol, seed=plan.seed, origin=origin, simulations=members
    )
    tasks = tuple(
        ImportTask(sources, ensemble.path(member), protocol, origin, indices, plan.hints, last_step)
        for sources, member in zip(found, members, strict=True)
    )
    odd = [each for each in (look_at(first), too_few) if each]
    check_no_copies(plan.input, found)
    return PlannedImport(
        ensemble, tasks, first, (*_remarks(plan, ensemble, names, description_of(found[0][0]), indices), *odd)
    )


def import_ensemble(planned: PlannedImport, pool: WorkerPool, progress: ShowProgress) -> Ensemble:
    """Import what is missing of a planned ensemble; each file appears whole, so an interrupted import continues.

    Raises:
        UserError: a file is damaged or does not belong to the others, or the folder holds something else.
    """
    return complete_ensemble(planned.ensemble, import_one, planned.tasks, pool, progress)


def import_one(task: ImportTask) -> None:
    """Import one simulation, a frame at a time."""
    write_configurations(task.target, task.protocol, _configurations(task))


def _configurations(task: ImportTask) -> Iterator[Configuration]:
    if not task.indices:
        for path, index in zip(task.sources, task.protocol.snapshots, strict=True):
            frame = last_frame(path, task.hints)
            _check_same_system(frame, task)
            look_at(frame)
            yield Configuration(index, frame.positions, frame.types, task.origin.length, {})
    lacking = dict(task.indices)
    last_step = 0

    def is_wanted(step: int) -> bool:
        nonlocal last_step
        last_step = max(last_step, step)
        return step in task.indices

    for frame in read_frames(task.sources if lacking else (), is_wanted, task.hints):
        _check_same_system(frame, task)
        if len(lacking) in (1, len(task.indices)):  # the hottest and the coldest
            look_at(frame)
        yield Configuration(lacking.pop(frame.step), frame.positions, frame.types, task.origin.length, {})
    if lacking:
        step, index = next(iter(lacking.items()))
        Location(task.sources[-1]).refuse(
            f"lacks snapshot {index} (time step {step}) and {len(lacking) - 1} more, which the first simulation has"
        )
    if task.last_step is not None and last_step > task.last_step:
        Location(task.sources[-1]).refuse(
            f"runs to time step {last_step}, where the first simulation ends at {task.last_step}",
            remedy="pass cooling_steps if the cooling ends there, or else take it out of the folder",
        )


def _check_same_system(frame: Frame, task: ImportTask) -> None:
    origin, particles = task.origin, len(frame.types)
    for name, found, expected in (
        ("types", frame.species, origin.species),
        ("particles", particles, task.protocol.particles),
        ("particles of the first type", particles - np.count_nonzero(frame.types), origin.particles_a),
    ):
        if found != expected:
            Location(frame.location.path).refuse(
                f"has {name} {found} at time step {frame.step} where the first simulation has {expected}"
            )
    if abs(frame.length - origin.length) > SAME_LENGTH * origin.length:
        Location(frame.location.path).refuse(
            f"has a box of side {frame.length:g} at time step {frame.step} where the first simulation has {origin.length:g}"
        )


def _too_few(folder: Path, names: list[str]) -> str | None:
    """A sentence if there are fewer simulations than splits."""
    if len(names) >= SMALLEST_ENSEMBLE:
        return None
    remedy = "pass the folder that has the files of all simulations"
    if not folder.is_file():
        remedy = (
            f"put at least {SMALLEST_ENSEMBLE} into the folder; if there "
            "are more, give the word before their number, as number=WORD"
        )
    return (
        f"{folder} has {len(names)} simulation{'s' if len(names) > 1 else ''} ({listed(names)}), but each of the splits train, "
        f"validation and test needs one: {remedy}."
    )


def _named(sources: Sequence[Path], folder: Path) -> str:
    """What `ensemble.json` calls the files of one simulation."""
    first = sources[0].name if sources[0] == folder else sources[0].relative_to(folder).as_posix()
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1} more"


def _member(number: int, split: Split, file: str, folder: str) -> Simulation:
    """A simulation whose seed nobody knows: a number of its own stands for it, the same wherever this file is imported."""
    own = int.from_bytes(hashlib.sha256(os.fsencode(f"{folder}/{file}")).digest()[:8], "big")
    return Simulation(number, own, split, file)


def _remarks(
    plan: ImportPlan, ensemble: Ensemble, names: list[str], format_name: str, indices: dict[int, int]
) -> Iterator[str]:
    """How the files were understood."""
    origin, particles = ensemble.origin, ensemble.protocol.particles
    assert origin is not None
    several = "s" if len(names) > 1 else ""
    yield f"{len(names)} simulation{several} ({format_name}): {listed(names[:3])}{', ...' if len(names) > 3 else ''}."
    species = f"{origin.particles_a} {origin.species[0]} (drawn orange, large)"
    if len(origin.species) > 1:
        species += f" and {particles - origin.particles_a} {origin.species[1]} (blue, small)"
    yield f"{species} in a box of side {origin.length:.6g}, density {particles / origin.length**2:.4g}."
    if plan.temperature is not None:
        yield f"Last frames at the temperatures {listed(f'{temperature(index):.3g}' for index in ensemble.protocol.snapshots)}."
        return
    steps = list(indices)
    yield (
        f"Time steps {steps[0]} to {steps[-1]} are the indices {indices[steps[0]]} (T = {temperature(indices[steps[0]]):.3g}) to "
        f"{indices[steps[-1]]} (T = {temperature(indices[steps[-1]]):.3g}), {len(steps)} in all; first_step is "
        f"{origin.first_step}{'' if plan.first_step is not None else ', as found'}."
    )

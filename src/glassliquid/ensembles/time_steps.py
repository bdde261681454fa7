"""Time steps of somebody's cooling as snapshot indices: where it starts, how long it takes, which frame is which index.

Index k is the frame at `first_step` + k/200 of the cooling's steps. Frames between the marks are passed over. Where the number of
steps cannot be cut into 200 equal parts, each frame belongs to the nearest index.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

from glassliquid.errors import UserError, listed
from glassliquid.physics.protocol import INTERVALS, MOST_STEPS
from glassliquid.trajectories.frames import Frame, Hints, Location
from glassliquid.trajectories.readers import read_frames


def survey(sources: Sequence[Path], at_least: int | None, hints: Hints) -> tuple[list[int], Frame]:
    """All time steps of a simulation, or those from one on, ascending, and the frame at the first of them.

    Raises:
        UserError: a file is damaged, its steps run backwards, or there is no such frame.
    """
    steps: dict[int, None] = {}  # in their order

    def note(step: int) -> bool:
        is_new = step not in steps and (at_least is None or step >= at_least)
        if is_new:
            steps[step] = None
        return is_new and len(steps) == 1

    frames = list(read_frames(sources, note, hints))
    if not frames:
        Location(sources[0]).refuse(f"has no frame at time step {at_least} or later", remedy="check first_step")
    for before, after in itertools.pairwise(steps):
        if after < before:
            Location(sources[0]).refuse(
                f"has time step {after} after {before}, but time steps must increase",
                remedy="if they are separate runs, put each into its own file, with its own number in the name",
            )
    if max(map(abs, steps)) > MOST_STEPS:
        Location(sources[0]).refuse(f"has time step {max(steps, key=abs)}, but the largest allowed is {MOST_STEPS}")
    return sorted(steps), frames[0]


def start_of_cooling(name: str, steps: list[int], first_step: int | None, cooling_steps: int | None) -> int:
    """The time step at which the cooling starts: as given, 0, or that of the first frame after an equilibration.

    Args:
        name: of the simulation, for error messages.
        steps: its time steps, ascending.
        first_step: as given.
        cooling_steps: as given.

    Raises:
        UserError: it may be either.
    """
    if first_step is not None:
        return first_step
    first = steps[0]
    if cooling_steps == steps[-1]:
        return 0
    if first < 0 < steps[-1] and 0 in steps:
        raise UserError(
            f"{name} runs from time step {first} past 0, where the cooling may start: pass first_step={first} or first_step=0."
        )
    if first > 0 and len(steps) > 1 and first <= steps[1] - first and cooling_steps != steps[-1] - first:
        raise UserError(
            f"{name} begins at time step {first}, which may be the start of the cooling or the first frame after a start at 0: pass "
            f"first_step={first} or first_step=0."
        )
    return first


def indices_of(
    name: str, steps: list[int], first_step: int, given: int | None, snapshots: tuple[int, ...] | None
) -> tuple[int, dict[int, int]]:
    """The number of steps of the cooling, and the frames that are imported: time steps to indices.

    Args:
        name: of the simulation, for error messages.
        steps: its time steps from `first_step` on, ascending.
        first_step: time step at which the cooling starts.
        given: how many steps it takes, as given.
        snapshots: indices that are imported; None: all that there are.

    Raises:
        UserError: there is no such cooling, or it lacks an index.
    """
    cooling_steps = steps[-1] - first_step if given is None else given
    if given is None and cooling_steps < 1:
        raise UserError(
            f"{name} has a single frame, at time step {steps[-1]}, but a cooling has several: if each file is a frame, say where the "
            "number of the simulation is, as number=WORD for the word before it."
        )
    if given is not None and (cooling_steps < INTERVALS or cooling_steps % INTERVALS):
        raise UserError(
            f"cooling_steps is {cooling_steps} (as given), but it must be a positive multiple of {INTERVALS}: pass the steps from "
            "T = 2.0 to T = 0.05 as cooling_steps, or leave it out to end at the last frame."
        )
    exact = {step: INTERVALS * (step - first_step) / cooling_steps for step in steps}
    nearest: dict[int, int] = {}
    for step in sorted(steps, key=lambda step: abs(exact[step] - round(exact[step]))):
        index = round(exact[step])
        if (cooling_steps % INTERVALS or exact[step] == index) and index <= INTERVALS:
            nearest.setdefault(index, step)
    chosen = sorted(nearest) if snapshots is None else snapshots
    if missing := sorted(set(chosen) - set(nearest)):
        raise UserError(
            f"{name} has no snapshot {listed(missing)} (it has {listed(sorted(nearest))}): choose snapshots from these, or check "
            f"first_step, which is {first_step}."
        )
    if not chosen:
        raise UserError(
            f"{name} has no frame at a multiple of {cooling_steps // INTERVALS} time steps from {first_step} on: pass the cooling_steps and first_step of that cooling."
        )
    return math.ceil(cooling_steps / INTERVALS) * INTERVALS, {nearest[index]: index for index in sorted(chosen)}

"""Folders of simulations as people lay them out, formats and options mixed: each simulation comes out with its own particles.

Taken for another's, or for another time, its frames would lie in two splits, or under the wrong temperature.
"""

import bz2
import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.ensembles.importing import ImportPlan, import_one, plan_import
from glassliquid.physics.protocol import INTERVALS, temperature
from glassliquid.trajectories.trajectory import read_configurations
from tests.ensembles.cases import SIDE, Run, dump, xyz
from tests.hostile.budget import inputs
from tests.hostile.guard import Sandbox

MOST_MIB = 96
WORDS = ("run", "seed", "sim_", "traj-", "sample.", "Run ", "r")
ENDINGS = (".dump", ".lammpstrj", ".txt", "", ".xyz", ".atom")
TEMPERATURES = (2.0, 1.0, 0.5)
PLACES = {
    "flat": "{word}{n}{ending}",
    "folders": "{word}{n}/production/traj{ending}",
    "a frame a file": "",
    "batches": "batch{rest}/{word}{n}{ending}",
    "two numbers": "T{rest}_{word}{n}_v{rest}{ending}",
}
"""Paths of whole simulations; `rest` is a number that is not theirs."""


@dataclass
class Layout:
    """Files, what is passed, and what has to come out."""

    files: dict[str, bytes] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    expected: list[list[np.ndarray]] = field(default_factory=list)
    """Of each simulation the positions in its frames, from the middle of the box."""
    snapshots: tuple[int, ...] = ()
    has_to_be_refused: bool = False


def as_dump(run: Run, frames: list[int]) -> str:
    return dump(run, frames)


def as_xyz(run: Run, frames: list[int]) -> str:
    """With positions from the middle of the box, as XYZ has them."""
    comment, row = "{lattice} Properties=species:S:1:pos:R:3 Timestep={step}", "{kind} {x} {y} 0"
    lines = xyz(run, comment, row).splitlines(keepends=True)
    each = len(lines) // len(run.steps)
    return "".join(line for frame in frames for line in lines[frame * each : (frame + 1) * each])


@st.composite
def layouts(draw: Any) -> Layout:
    """Three or four simulations in a layout of somebody's own."""
    pick = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    numbers = sorted(draw(st.lists(st.integers(0, 300), min_size=3, max_size=4, unique=True)))
    steps = pick((0, 5_000, 10_000), (0, 3, 6, 9), (20_000, 21_000, 22_000))
    seed = draw(st.integers(0, 2**31))
    runs = {number: Run(seed + place, steps) for place, number in enumerate(numbers)}
    write = pick(as_dump, as_xyz)
    shift = SIDE / 2 if write is as_xyz else 0.0
    packed: Callable[[bytes], bytes] = pick(bytes, bytes, gzip.compress, bz2.compress)
    word, ending, width = pick(*WORDS), pick(*ENDINGS), pick(1, 1, 5)
    frames = list(range(len(steps)))
    layout = Layout(expected=[[run.expected(frame) + shift for frame in frames] for run in runs.values()])
    # The second has steps that 200 does not divide into.
    layout.snapshots = (0, 67, 133, 200) if len(frames) > 3 else (0, 100, 200)
    kind = pick(*PLACES, "parts", "beside, told", "beside", "series", "copy", "longer")
    for number in numbers:
        names = {"word": word, "n": f"{number:0{width}d}", "rest": number % 3, "ending": ending}
        where = PLACES.get(kind, PLACES["flat"]).format(**names)
        folder = f"{word}{number:0{width}d}"
        contents = {where: frames}
        if kind == "a frame a file":
            contents = {f"{folder}/conf.{steps[frame]:0{width}d}{ending}": [frame] for frame in frames}
        elif kind == "parts":
            middle, overlap = len(frames) // 2, draw(st.booleans())
            contents = {
                f"{folder}/part1{ending}": frames[: middle + overlap],
                f"{folder}/part2{ending}": frames[middle:],
            }
        elif kind.startswith("beside"):
            contents = {f"{folder}/melt{ending}": frames[:1], f"{folder}/prod{ending}": frames}
        if kind != "series":
            layout.files |= {path: packed(write(runs[number], which).encode()) for path, which in contents.items()}
    if kind == "series":
        _make_series(draw, layout, lambda number, which: packed(write(runs[number], which).encode()), numbers, word)
    if kind in ("batches", "two numbers"):
        layout.options["number"] = word.strip(" _-.")
    elif kind == "beside, told":
        layout.options["files"] = "prod*"
    more = f"{word}{max(numbers) + 1:0{width}d}{ending}"
    if kind == "copy":
        layout.files[more] = next(iter(layout.files.values()))
    elif kind == "longer":
        last = Run(seed + 99, (*steps, 2 * steps[-1], 3 * steps[-1]))
        layout.files[more] = packed(write(last, list(range(len(last.steps)))).encode())
    layout.has_to_be_refused = kind in ("beside", "copy", "longer")
    return layout


def _make_series(
    draw: Any, layout: Layout, content: Callable[[int, list[int]], bytes], numbers: list[int], word: str
) -> None:
    """At constant temperature: the last frame of each file is its snapshot."""
    written = draw(st.sampled_from(("{:g}", "{:.2f}", "p", "{:.1e}", "table")))
    place = draw(st.sampled_from(("T{t}/{name}.dump", "{name}/T{t}.dump", "{name}_T={t}.dump")))
    rows = ["file,temperature,simulation"]
    for number in numbers:
        for frame, value in enumerate(TEMPERATURES):
            said = f"{value:g}".replace(".", "p") if written == "p" else written.format(value)
            path = place.format(t=frame if written == "table" else said, name=f"{word}{number}")
            layout.files[path] = content(number, list(range(frame + 1))[-2:])
            rows.append(f"{path},{value},{number}")
    if written == "table":
        layout.files["temperatures.csv"] = "\n".join(rows).encode()
    layout.options["temperature"] = "temperatures.csv" if written == "table" else "T"
    layout.expected = [each[: len(TEMPERATURES)] for each in layout.expected]
    every = [temperature(index) for index in range(INTERVALS + 1)]
    layout.snapshots = tuple(int(np.abs(np.array(every) - value).argmin()) for value in TEMPERATURES)


def use(sandbox: Sandbox, layout: Layout) -> None:
    """Import all of it; what is accepted is what was written."""
    planned = plan_import(
        sandbox.data / "ensembles" / "theirs", ImportPlan(input=sandbox.data / "in", seed=1, **layout.options)
    )
    assert len(planned.tasks) == len(layout.expected) or layout.has_to_be_refused
    for task in planned.tasks:
        import_one(task)
    assert not layout.has_to_be_refused, "a folder was accepted that cannot be taken right"
    assert planned.ensemble.protocol.snapshots == layout.snapshots
    for task, frames in zip(planned.tasks, layout.expected, strict=True):
        found = read_configurations(task.target)
        assert [each.snapshot for each in found] == list(layout.snapshots)
        for each, places in zip(found, frames, strict=True):
            difference = each.positions - places
            assert np.abs(difference - SIDE * np.round(difference / SIDE)).max() < 1e-5  # single precision


@given(data=st.data())
@inputs(quick=40, long=2000)
def test_simulations_come_out_as_they_were_laid_out(sandbox: Sandbox, data: st.DataObject):
    layout = data.draw(layouts())
    for folder in ("in", "ensembles"):
        shutil.rmtree(sandbox.data / folder, ignore_errors=True)
    for name, content in layout.files.items():
        path = sandbox.data / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    refused = sandbox.attempt("folders of trajectories", lambda: use(sandbox, layout), MOST_MIB)
    assert layout.has_to_be_refused or refused is None, f"a good folder was refused: {refused}"

"""Known configurations as arrays, H5MD and npz, in every shape and kind of number: what is accepted equals what was written."""

import io
from typing import Any

import h5py
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.trajectories.frames import Hints
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.test_variants import NAMES, Truth, use

MOST_MIB = 64


@st.composite
def arrays(draw: Any) -> tuple[Truth, dict[str, Any], dict[str, Any]]:
    """A system, its arrays, and what else the formats may say of it."""
    pick = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, side = draw(st.integers(4, 12)), float(pick(3.0, 4.5, 6.25))
    every = pick(1, 1_000)
    steps = [step * every for step in (0, 5, 9)][: draw(st.integers(1, 3))]
    is_small = generator.permutation(np.arange(count) < count // 3)
    places = generator.uniform(-side / 2, side / 2, (len(steps), count, 2))
    kind = pick(np.float32, np.float64)
    truth = Truth(
        steps, places.astype(kind).astype(float), is_small, side, 5 if kind is np.float32 else 9, False, Hints()
    )
    # A turn round the box leaves single precision six digits of a coordinate.
    written = (places + side * pick(0, 1) * generator.integers(-1, 2, places.shape)).astype(kind)
    order = generator.permutation(count) if (has_ids := pick(True, False)) else np.arange(count)
    if pick(True, False):
        written = np.concatenate([written, np.zeros((*written.shape[:2], 1), kind)], axis=2)
    sizes = np.where(is_small, 0.44, 0.5)[order] if pick(True, False) else None
    words = pick(*NAMES)[:: 1 if sizes is None else pick(1, -1)]
    types = {
        "words": lambda: np.array(words)[is_small.astype(int)],
        "bytes": lambda: np.array(words).astype("S")[is_small.astype(int)],
        "whole": lambda: is_small.astype(pick(np.int8, np.uint64)) + 1,
        "fraction": lambda: is_small.astype(float),
        "half": lambda: is_small + 0.5,
    }[named := pick("words", "bytes", "whole", "whole", "fraction", "half")]()[order]
    box = {
        "side": np.array(side),
        "sides": np.array([side] * pick(2, 3)),
        "vectors": np.diag([side] * pick(2, 3)),
        "for each": np.full((len(steps), pick(2, 3)), side),
        "oblong": np.array([side, 2 * side]),
        "tilted": np.array([[side, 0.5], [0, side]]),
    }[shape := pick("side", "sides", "vectors", "for each", "oblong", "tilted")]
    found = {"positions": written[:, order], "types": types, "box": box, "steps": np.array(steps)}
    found |= {"ids": order + pick(0, 1, 100)} if has_ids else {}
    found |= {} if sizes is None else {"sizes": sizes}
    for role in ("types", "ids", "sizes"):
        if role in found and pick(True, False, False):
            found[role] = np.stack([found[role]] * len(steps))
    truth.has_to_be_refused = named == "half" or shape in ("oblong", "tilted")
    return (
        truth,
        found,
        {"boundary": pick("periodic", "periodic", "none"), "unit": pick(None, None, "lj", "nm"), "pick": pick},
    )


def as_npz(truth: Truth, found: dict[str, Any], more: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    names = {role: f"their_{role}" for role in found}
    more["pick"](np.savez, np.savez_compressed)(file, **{names[role]: values for role, values in found.items()})
    truth.hints = Hints(arrays=tuple(names.items()))
    return file.getvalue()


def as_h5md(truth: Truth, found: dict[str, Any], more: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    pick = more["pick"]
    with h5py.File(content, "w", libver=pick("earliest", "latest")) as file:
        group = file.create_group("particles/all")
        group["position/step"] = found["steps"]
        packed = {"chunks": True, "compression": pick(None, "gzip", "lzf"), "shuffle": pick(True, False)}
        value = group.create_dataset("position/value", data=found["positions"], **packed)
        if more["unit"]:
            value.attrs["unit"] = more["unit"]
        for role, name in (("types", "species"), ("ids", "id"), ("sizes", pick("radius", "diameter"))):
            if role in found:
                values, place = found[role], f"{name}/value" if found[role].ndim == 2 else name
                is_text = values.dtype.kind == "U" and pick(True, False)
                values = values.astype("S") if values.dtype.kind == "U" and not is_text else values
                group.create_dataset(
                    place,
                    data=values.astype(object) if is_text else values,
                    dtype=h5py.string_dtype() if is_text else values.dtype,
                )
        box = group.create_group("box")
        boundary = [pick("periodic", more["boundary"]), more["boundary"]]
        box.attrs["boundary"] = [word.encode() for word in boundary] if pick(True, False) else boundary
        box["edges/value" if found["box"].ndim == 2 and len(found["box"]) == len(truth.steps) else "edges"] = found[
            "box"
        ]
    truth.has_to_be_refused |= more["boundary"] == "none" or more["unit"] == "nm"
    return content.getvalue()


@given(data=st.data())
@inputs(quick=120, long=2500)
def test_arrays_that_are_accepted_are_what_was_written(sandbox: Sandbox, data: st.DataObject):
    truth, found, more = data.draw(arrays())
    content = data.draw(st.sampled_from((as_npz, as_h5md)))(truth, found, more)
    path = sandbox.data / "traj.bin"
    restored(path, content)
    refused = sandbox.attempt("trajectories as arrays", lambda: use(path, truth), MOST_MIB)
    assert truth.has_to_be_refused or refused is None, f"a good file was refused: {refused}"

"""H5MD files: HDF5 with the particles of a simulation.

`particles/GROUP` has `position` (step and value, shape (frames, N, 2 or 3)), `species`, `id` and `box/edges`, each once or for each
frame. Source: the specification of H5MD 1.1 at nongnu.org/h5md. Links to other files, and arrays that are stored elsewhere or in
pieces that would fill the memory, are not followed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import listed
from glassliquid.trajectories import arrays
from glassliquid.trajectories.frames import COUNT, Frame, FrameBuilder, Location, StepFilter
from glassliquid.trajectories.readers import READERS, Reader

MAGIC = b"\x89HDF\r\n\x1a\n"
REDUCED_UNITS = ("", "1", "lj", "sigma", "reduced")
"""Units of length that are sigma; H5MD names a unit, if any, in an attribute of the positions."""
ROLES = {"species": "types", "id": "ids", "radius": "sizes", "diameter": "sizes"}
"""What the arrays of particles are."""
DAMAGE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    MemoryError,
    UnicodeDecodeError,
)
"""What reading a damaged file raises."""


@READERS.register("h5md")
class H5mdReader(Reader):
    """Reads H5MD files."""

    description = "H5MD"
    endings = (".h5md", ".h5", ".hdf5")
    holds_anything = True

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether it begins as HDF5 does."""
        return head.startswith(MAGIC)

    @staticmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames."""
        import h5py

        try:
            with h5py.File(location.path, "r") as file:
                yield from _frames(location, file, is_wanted)
        except DAMAGE as error:
            location.refuse(f"cannot be read ({error})", error)


class _Group:
    """A group of the file, whose members are arrays once or for each frame."""

    def __init__(self, location: Location, group: Any) -> None:
        self._location, self._group = location, group

    def member(self, name: str) -> Any:
        """A group or dataset by its path; None if there is none."""
        import h5py

        found = self._group
        for part in name.split("/"):
            if not isinstance(found, h5py.Group) or part not in found:
                return None
            if not isinstance(found.get(part, getlink=True), h5py.HardLink):
                self._location.refuse(f"has a link where {name} should be")
            found = found[part]
        return found

    def array(self, name: str) -> Any:
        """The dataset of that name, or the value of the group of that name; None if there is none."""
        import h5py

        found = self.member(name)
        if isinstance(found, h5py.Group):
            found = self.member(f"{name}/value")
        if found is None or not isinstance(found, h5py.Dataset):
            return None
        in_a_piece = found.chunks or found.shape[1:] or (1,)
        too_large = float(np.prod(in_a_piece, dtype=np.float64)) * found.dtype.itemsize > arrays.LARGEST_ARRAY
        if found.external or found.is_virtual or too_large:
            self._location.refuse(
                f"has {name} stored in other files, or in pieces of more than {arrays.LARGEST_ARRAY >> 20} MiB"
            )
        if found.dtype.hasobject and h5py.check_string_dtype(found.dtype) is None:
            self._location.refuse(f"has {name} of a kind that is not numbers or words")
        return found

    def steps(self, name: str, count: int) -> list[int]:
        """The time steps of the frames of an array: a list, or an increment with an offset."""
        if self._location.hints.count_frames:
            return list(range(count))
        found = self.member(f"{name}/step")
        if found is None:
            self._location.refuse(f"has no {name}/step, so its time steps are missing", remedy=COUNT)
        if found.shape == ():
            first = arrays.whole_numbers(self._location, "offset", np.atleast_1d(found.attrs.get("offset", 0)), 1)[0]
            each = arrays.whole_numbers(self._location, "step", np.atleast_1d(found[()]), 1)[0]
            return [first + each * frame for frame in range(count)]
        if found.shape != (count,):
            self._location.refuse(f"has {name}/step of the shape {found.shape}, but there are {count} frames")
        return arrays.whole_numbers(self._location, f"{name}/step", found[()], count)


def _frames(location: Location, file: Any, is_wanted: StepFilter) -> Iterator[Frame]:
    name, group = _particles(location, file)
    positions = group.array("position")
    if positions is None:
        location.refuse(f"has no particles/{name}/position")
    arrays.check_positions(location, "position", positions.shape, positions.dtype)
    count, particles, _ = positions.shape
    _check_units(location, positions)
    per_frame = {}
    once: dict[str, NDArray[Any]] = {}
    for member, role in ROLES.items():
        if (array := group.array(member)) is not None:
            kinds = "fiuSUO" if role == "types" else "fiu"
            if arrays.check_per_particle(location, member, array.shape, array.dtype, positions.shape, kinds):
                per_frame[role] = array
            else:
                once[role] = _values(array[()])
    if "types" not in per_frame | once:
        location.refuse(f"has no particles/{name}/species, so the types of its particles are missing")
    box = _box(location, group, count)
    builder = FrameBuilder(location)
    for number, step in enumerate(group.steps("position", count)):
        location.frame = number + 1
        builder.begin(particles)
        if not is_wanted(step):
            continue
        values = once | {role: _values(array[number]) for role, array in per_frame.items()}
        yield arrays.frame_of(location, builder, step, positions[number], arrays.of_frame(box, number, count), values)


def _particles(location: Location, file: Any) -> tuple[str, _Group]:
    """The one group of particles."""
    import h5py

    particles = _Group(location, file).member("particles")
    names = list(particles) if isinstance(particles, h5py.Group) else []
    if len(names) != 1:
        there = f"the groups {listed(names[:5])} below particles" if names else "no group below particles"
        location.refuse(f"has {there}, but only H5MD with one group of particles is read")
    return names[0], _Group(location, _Group(location, particles).member(names[0]))


def _box(location: Location, group: _Group, count: int) -> NDArray[Any] | None:
    """The edges of the box, once or for each frame; None if there is none."""
    import h5py

    box = group.member("box")
    if not isinstance(box, h5py.Group):
        return None
    boundaries = [_text(each) for each in np.atleast_1d(box.attrs.get("boundary", []))]
    if any(each != "periodic" for each in boundaries[:2]):
        location.refuse(
            f"has a box that is not periodic (boundary is {listed(boundaries)[:60]}), but it must be in x and y"
        )
    edges = group.array("box/edges")
    if edges is None:
        return None
    steps = group.member("box/edges/step")
    if steps is not None and len(edges) != count:
        location.refuse(f"has {len(edges)} boxes for {count} frames")
    return np.asarray(edges[()])


def _check_units(location: Location, positions: Any) -> None:
    unit = _text(positions.attrs.get("unit", positions.attrs.get("units", "")))
    if unit.strip().lower() not in REDUCED_UNITS and location.hints.sigma is None:
        location.refuse(
            f"is in units {unit[:40]!r}",
            remedy="pass sigma_AA, the diameter of the large particles in these units, as sigma",
        )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _values(values: Any) -> NDArray[Any]:
    """Values of particles; words of any length become words of the longest."""
    values = np.asarray(values)
    return np.array([_text(each) for each in values.tolist()], dtype=str) if values.dtype.kind == "O" else values

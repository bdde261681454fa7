"""LAMMPS YAML dumps (`dump yaml`).

Source: LAMMPS manual, `dump` command. A frame is a YAML document, from `---` to `...`: `timestep`, `natoms`, `boundary`, `box`
with two numbers a dimension, `keywords` with the columns' names, and `data` with a list a particle. The document is read line by
line as LAMMPS writes it, not by a reader of YAML, which would take fifty times as long.
"""

from collections.abc import Iterator

from glassliquid.trajectories.frames import Frame, FrameBuilder, Location, StepFilter, parse_whole_number
from glassliquid.trajectories.lammps import Header, check_boundaries, check_tilt, check_units, particles_of
from glassliquid.trajectories.readers import READERS, Reader
from glassliquid.trajectories.tables import Piece, parse_frames
from glassliquid.trajectories.text import TextFile

KEYS = ("creator", "timestep", "units", "time", "natoms", "boundary", "thermo", "box", "keywords")
"""Of a frame; `thermo` is passed over."""

_AS_BLANKS = bytes.maketrans(b"[],", b"   ")


@READERS.register("yaml")
class YamlReader(Reader):
    """Reads LAMMPS YAML dumps."""

    description = "LAMMPS YAML dump"
    endings = ()  # most files called so are settings

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether it begins with a document that has a time step."""
        return head.startswith(b"---") and b"\ntimestep:" in head

    @staticmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames."""
        with TextFile(location) as text:
            yield from parse_frames(_tables(text, is_wanted))


def _tables(text: TextFile, is_wanted: StepFilter) -> Iterator[Piece]:
    builder = FrameBuilder(text.location)
    while (header := _read_header(text)) is not None:
        for piece in particles_of(text, builder, header, is_wanted):
            yield piece._replace(text=_without_brackets(text.location, piece))


def _read_header(text: TextFile) -> Header | None:
    """A frame's lines before its particles; None at the end of the file."""
    location = text.location
    line = text.line_after_blanks()
    if line == "...":  # of the frame before
        line = text.line_after_blanks()
    if line is None:
        return None
    location.frame += 1
    if line != "---":
        location.refuse(f"has {line[:40]!r} where a frame should begin with ---")
    said: dict[str, str] = {}
    box: list[list[float]] = []
    key = ""
    while (line := text.line()) != "data:":
        if line is None:
            location.refuse("ends in the middle of a frame's header")
        if line.startswith("-"):
            if key == "box":
                box.append(_numbers(location, line))
            continue
        key, colon, value = line.partition(":")
        if key not in KEYS or not colon or key in said:
            location.refuse(f"has {line[:40]!r} where a line such as timestep: or data: should be")
        said[key] = value
    check_units(location, said.get("units", "lj").strip())
    flags = _values(said.get("boundary", ""))
    check_boundaries(location, map("".join, zip(flags[::2], flags[1::2], strict=False)))
    bounds, tilts = box[:3], box[3:]
    if [len(each) for each in box] not in ([2, 2, 2], [2, 2, 2, 3]):
        location.refuse("has a box that is not three pairs of bounds")
    for tilt in tilts[0] if tilts else ():
        check_tilt(location, tilt)
    numbers = {name: parse_whole_number(said.get(name, "").strip()) for name in ("timestep", "natoms")}
    if missing := [name for name, value in numbers.items() if value is None]:
        location.refuse(
            f"has {said.get(missing[0], '').strip()[:40]!r} as its {missing[0]}, but it must be a whole number"
        )
    return Header(
        location.step(numbers["timestep"] or 0),
        numbers["natoms"] or 0,
        [(low, high) for low, high in bounds],
        _values(said.get("keywords", "")),
    )


def _numbers(location: Location, line: str) -> list[float]:
    """The numbers of a line of the box: low and high of a side, or the three tilts."""
    try:
        return list(map(float, _values(line.removeprefix("-"))))
    except ValueError as error:
        location.refuse(f"has {line[:40]!r} where a bound of the box should be", error)


def _values(text: str) -> list[str]:
    """The words of a list such as `[ id, type, c_1[2], ]`, which may have brackets of their own."""
    inside = text.strip().removeprefix("[").removesuffix("]")
    return [word for part in inside.split(",") if (word := part.strip())]


def _without_brackets(location: Location, piece: Piece) -> bytes:
    """The lines of a table of lists as columns between single blanks."""
    text = piece.text
    if text.count(b"- [") != piece.rows or text.count(b"]") != piece.rows:
        location.refuse("has a line among its particles that is not a list such as - [ 1, 2, 0.5 ]")
    text = text.replace(b"  - [ ", b"").replace(b" , ", b" ").replace(b", ]\n", b"\n")
    if b"]" not in text and b"," not in text:
        return text
    # Another program, or a person, wrote other blanks; of the dash before a bracket nothing must stay.
    return text.replace(b"- [", b"").translate(_AS_BLANKS)

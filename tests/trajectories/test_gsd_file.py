"""What the GSD library would trust and the check before it does not: each of these files ended the process, or asked for more memory
than the machine has, or gave other frames' arrays."""

import os
import struct
import time

import gsd.fl
import numpy as np
import pytest

from glassliquid.trajectories.gsd_file import LARGEST_ARRAY, LARGEST_NAMES, open_gsd, read_array
from tests.trajectories.foreign import System, write_gsd

HEADER, ENTRY = struct.Struct("<QQQQQII"), struct.Struct("<QQqIHBB")
"""Magic, place and entries of the index and of the names, versions; frame, rows, place, columns, name, type, flags of an array."""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "1.gsd"
    write_gsd(path, System())
    return path


def change_header(path, field, value):
    content = bytearray(path.read_bytes())
    fields = list(HEADER.unpack_from(content))
    fields[field] = value
    HEADER.pack_into(content, 0, *fields)
    path.write_bytes(content)


def change_entry(path, number, field, value):
    content = bytearray(path.read_bytes())
    at = HEADER.unpack_from(content)[1] + ENTRY.size * number
    fields = list(ENTRY.unpack_from(content, at))
    fields[field] = value
    ENTRY.pack_into(content, at, *fields)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("field", "value"),
    [(1, 2**64 - 32 * 128 + 100), (1, 0), (2, 2**59), (2, 0), (3, 2**64 - 64 * 16), (4, 2**58), (4, 0)],
    ids=["index wraps", "index in the header", "entries wrap", "no index", "names wrap", "names' entries", "no names"],
)
def test_a_header_that_points_out_of_the_file_is_refused(path, field, value):
    change_header(path, field, value)
    with pytest.raises(ValueError, match="Corrupt GSD file"), open_gsd(path):
        pass


@pytest.mark.parametrize(
    ("field", "value"),
    [(0, 2**40), (1, 2**40), (1, 2**61), (3, 2**31), (2, -8), (2, 2**62), (5, 200)],
    ids=["frame", "rows", "rows wrap", "columns", "place", "far place", "type"],
)
def test_an_array_that_the_file_does_not_have_is_refused(path, field, value):
    change_entry(path, 3, field, value)
    with pytest.raises(ValueError, match="Corrupt GSD file"), open_gsd(path):
        pass


def test_an_array_under_another_name_is_not_replaced_by_that_of_the_first_frame(path):
    """The library finds arrays by bisection: behind a changed number of a name it would miss those that are there."""
    content = path.read_bytes()
    at = HEADER.unpack_from(content)[1]
    entries = [ENTRY.unpack_from(content, at + ENTRY.size * k) for k in range(20)]
    second = next(k for k in range(20) if entries[k][0] == 1 and entries[k + 1][0] == 1)
    change_entry(path, second, 4, 60)
    with pytest.raises(ValueError, match="Corrupt GSD file"), open_gsd(path):
        pass


def test_an_array_of_gigabytes_is_refused_unread(tmp_path):
    """A file with a hole takes no room on the disk, and would fill the memory."""
    path = tmp_path / "1.gsd"
    write_gsd(path, System())
    size = path.stat().st_size
    change_entry(path, 3, 1, 2**30)
    change_entry(path, 3, 2, size)
    with path.open("r+b") as file:
        file.truncate(2**36)
    with pytest.raises(ValueError, match=f"an array of more than {LARGEST_ARRAY >> 20} MiB"), open_gsd(path):
        pass


def test_names_without_number_do_not_hang(path):
    content = path.read_bytes()
    names = b"a\0" * (32 * LARGEST_NAMES - 1) + b"\0\0"
    path.write_bytes(content + names)
    change_header(path, 3, len(content))
    change_header(path, 4, LARGEST_NAMES)
    started = time.process_time()
    with open_gsd(path) as file, pytest.raises(KeyError):
        read_array(file, 0, "particles/N", (1,))
    assert time.process_time() - started < 20
    change_header(path, 4, LARGEST_NAMES + 1)
    with pytest.raises(ValueError, match="Corrupt GSD file"), open_gsd(path):
        pass


def test_files_of_the_first_version_are_read(path):
    """Their index is ordered by frame alone, and their names have 64 bytes each."""
    with gsd.fl.open(str(path), "r") as file:
        names = file.find_matching_chunk_names("")
        expected = [file.read_chunk(frame, "particles/position") for frame in range(file.nframes)]
    content = path.read_bytes()
    path.write_bytes(content + b"".join(name.encode().ljust(64, b"\0") for name in names))
    change_header(path, 3, len(content))
    change_header(path, 4, len(names))
    change_header(path, 6, 1 << 16)
    with open_gsd(path) as file:
        for frame, positions in enumerate(expected):
            found = read_array(file, frame, "particles/position", (40, 3), "f")
            assert np.array_equal(found, positions)


def test_what_a_frame_leaves_out_is_that_of_the_first(path):
    with open_gsd(path) as file:
        assert not file.chunk_exists(3, "particles/N")
        assert read_array(file, 3, "particles/N", (1,), "u").tolist() == [40]
        assert read_array(file, 3, "particles/charge", (2,), default=7).tolist() == [7, 7]
        with pytest.raises(KeyError, match="particles/charge"):
            read_array(file, 3, "particles/charge", (40,))
        with pytest.raises(ValueError, match=r"particles/N has the shape \(1,\), but \(2,\) is expected"):
            read_array(file, 3, "particles/N", (2,))
        with pytest.raises(ValueError, match="particles/position holds float32 numbers"):
            read_array(file, 3, "particles/position", (40, 3), "u")


def test_a_pipe_or_a_text_is_no_gsd_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.gsd")
    (tmp_path / "text.gsd").write_text("Dear diary,\n" * 100)
    for name, message in (("pipe", "not a regular file"), ("text", "Not a GSD file")):
        with pytest.raises(ValueError, match=message), open_gsd(tmp_path / f"{name}.gsd"):
            pass

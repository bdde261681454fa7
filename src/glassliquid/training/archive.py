"""What a file of `torch.save` may be: an archive of tensors and plain values, no larger in memory than on the disk.

`torch.load(weights_only=True)` executes nothing. Yet a small file can make it set aside any amount of memory, or build
values that take for ever to go through: by parts that are compressed, or lie on one another; by tensors that show the same
numbers many times; by values that hold each other; by types that its table allows and no checkpoint needs.
"""

import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import torch

from glassliquid.files import is_plain

MOST_PARTS = 10_000
LARGEST_PICKLE = 1 << 24
"""Bytes of the part that says how tensors and values belong together."""
MOST_VALUES = 200_000
"""Values in a state, counted as often as they appear in it; cnn2018 has a few hundred."""
_ALLOWED = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage")
_PLAIN = (str, int, float, bool, type(None))


def check_archive(path: Path) -> None:
    """Check a file before PyTorch opens it.

    Raises:
        FileNotFoundError: it is missing.
        pickle.UnpicklingError: it is no archive, or names more than tensors and plain values.
        zipfile.BadZipFile: it is damaged, or would take more memory than it is large.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if not is_plain(path):
        raise zipfile.BadZipFile("it is no plain file")
    with path.open("rb") as file, _opened(file) as archive:
        parts = archive.infolist()
        if any(part.compress_type != zipfile.ZIP_STORED or part.compress_size != part.file_size for part in parts):
            raise zipfile.BadZipFile("its parts are compressed, and PyTorch does not do that")
        if archive.comment or len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > size:
            raise zipfile.BadZipFile("its parts are larger than the file")
        if len({part.filename for part in parts}) < len(parts):
            raise zipfile.BadZipFile("it has parts of the same name")
        # PyTorch writes checksums, and does not read them.
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"{damaged} in it is damaged")
        for part in parts:
            if part.filename.endswith("/data.pkl"):
                if part.file_size > LARGEST_PICKLE:
                    raise zipfile.BadZipFile("its description is too large")
                _check_names(archive.read(part))


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise pickle.UnpicklingError("it is no archive") from error


def _check_names(content: bytes) -> None:
    """Raise UnpicklingError if a pickle names anything but what tensors are made of; nothing is unpickled."""
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in ("GLOBAL", "INST") and not _ALLOWED.fullmatch(str(argument)):
                raise pickle.UnpicklingError(f"it names {str(argument)[:100]}")
            if opcode.name in ("STACK_GLOBAL", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"):
                raise pickle.UnpicklingError(f"it has the instruction {opcode.name}")
    except (ValueError, IndexError, OverflowError) as error:
        raise pickle.UnpicklingError("it is damaged") from error


def check_values(value: Any, most_bytes: int) -> None:
    """Raise ValueError unless a value is made of tensors and plain values that take no more than so many bytes in all."""
    waiting, seen, taken = [value], 0, 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ValueError("it has too many values, or values that hold themselves")
        if type(each) is torch.Tensor:
            if each.layout != torch.strided:
                raise ValueError("it has a tensor of an unusual kind")
            taken += each.numel() * each.element_size()
            if taken > most_bytes:
                raise ValueError("its tensors have more numbers than the file")
        elif type(each) in (dict, OrderedDict):
            waiting += [*each.keys(), *each.values()]
        elif type(each) in (list, tuple):
            waiting += each
        elif type(each) not in _PLAIN:
            raise ValueError(f"it holds a {type(each).__name__}")

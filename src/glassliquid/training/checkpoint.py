"""Checkpoints: the whole state of a training run in one safetensors file, which loads without executing anything.

| tensors | meaning |
|---|---|
| model.NAME | the network's state_dict |
| optimizer.NUMBER.NAME | Adam's `step`, `exp_avg` and `exp_avg_sq` of each parameter |
| batches.NAME | the rest of the epoch (`order`) and its `generator` |
| generators.NAME | the generators of `dropout` and `augment` |

Everything else is one JSON text in the header's metadata (`Description`), with a checksum of that text and the tensors.
"""

import errno
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar

import torch
from safetensors import safe_open
from torch import Tensor

from glassliquid.errors import UserError, first_line_of
from glassliquid.files import is_plain, remove_partials_of, replacing
from glassliquid.inputs import described_input
from glassliquid.settings import Field, fields_of, restored, settings, stored
from glassliquid.training.config import MOST_ITERATIONS, TrainConfig
from glassliquid.training.progress import Progress

CURRENT = "current.safetensors"
"""File name of the state after the last finished iteration (or a recent one, where writing takes long)."""
BEST = "best.safetensors"
"""File name of the state with the best validation accuracy."""
GROUPS = ("model", "optimizer", "batches", "generators")
CONTINUES_WITH = GROUPS[1:]
"""What a state has beside the network's weights, if a training run can continue from it."""
LARGEST_HEADER = 1 << 20
"""Bytes of a file's header; that of cnn2018 takes 5 kB."""
LONGEST_NAME = 200
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
DESCRIPTION_KEY, CHECKSUM_KEY = "glassliquid", "crc32"

_MACHINE_FAULTS = {
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ESTALE,
    errno.EACCES,
    errno.EPERM,
    errno.ETIMEDOUT,
}
"""What reading a file can fail of that says nothing about its content."""


class UnusableCheckpoint(UserError):
    """A checkpoint that is missing, damaged or does not fit: trying again will not change it."""


@settings
class Description:
    """What a checkpoint says of itself. Version 1 was the `.pt` file of glassliquid 0.1."""

    VERSION: ClassVar[int] = 2

    config: TrainConfig
    data: dict[str, Any]
    """Name, digest and recipe of the dataset, input with its description (such as image_size)."""
    run_id: Annotated[str, Field(max_length=LONGEST_NAME)]
    """The tracked run that the checkpoint belongs to."""
    iteration: Annotated[int, Field(ge=0, le=MOST_ITERATIONS)]
    """Iterations finished."""
    progress: Progress
    device: Annotated[str, Field(max_length=LONGEST_NAME)]
    """Kind of device that was trained on, which the generators belong to."""


@dataclass(frozen=True)
class State:
    """The state of a training run; without optimizer, batches and generators, only its network."""

    config: TrainConfig
    data: Mapping[str, Any]
    """Name, digest and recipe of the dataset, input with its description (such as image_size)."""
    run_id: str
    iteration: int
    """Iterations finished."""
    progress: Progress
    device: str
    """Kind of device that was trained on."""
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    batches: Mapping[str, Tensor]
    generators: Mapping[str, Tensor]


def save_checkpoint(state: State, path: Path) -> None:
    """Write a state, whole or not at all.

    Raises:
        OSError: the disk is full or fails.
    """
    tensors = {
        f"{group}.{name}": tensor.detach().cpu().contiguous()
        for group in GROUPS
        for name, tensor in getattr(state, group).items()
    }
    text = json.dumps(stored(Description(**{name: getattr(state, name) for name in fields_of(Description)})))
    with replacing(path) as partial, partial.open("wb") as file:
        write_parts(file, text, tensors)


def write_parts(file: BinaryIO, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Write a description and tensors with their checksum, in the format of safetensors.

    Its own `save_file` writes into a file of another name, readable by its owner only, which a killed process leaves behind.
    """
    metadata = {DESCRIPTION_KEY: text, CHECKSUM_KEY: str(_checksum(text, tensors))}
    ordered = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": metadata}
    place = 0
    for name in ordered:
        tensor = tensors[name]
        offsets = [place, place := place + tensor.nbytes]
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    file.write(len(head).to_bytes(8, "little") + head)
    for name in ordered:
        file.write(_bytes_of(tensors[name]))


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def load_checkpoint(path: Path) -> State:
    """Read a checkpoint; nothing in it is executed, and it takes no more memory than the file is large.

    Raises:
        UnusableCheckpoint: the file is missing, cut off, damaged, of another format or of another version of the program.
        UserError: the machine cannot read it at this moment.
    """
    try:
        _check_length(path)
        text, tensors = read_parts(path)
    except FileNotFoundError:
        raise UnusableCheckpoint(
            f"There is no checkpoint {path}: name an existing run, registered model or file."
        ) from None
    except UnusableCheckpoint:
        raise
    except Exception as error:  # whatever the library stumbles over in damaged bytes
        if is_machine_fault(error):
            raise UserError(
                f"The checkpoint {path} could not be read ({first_line_of(error)}): correct that, then run the same command again."
            ) from error
        raise UnusableCheckpoint(
            f"{path} is not a checkpoint of this project, or it is damaged ({first_line_of(error)}): choose another."
        ) from error
    try:
        return _state(text, tensors)
    except UserError as error:
        raise UnusableCheckpoint(f"{path} cannot be used. {error}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnusableCheckpoint(
            f"{path} is not a checkpoint of this project ({first_line_of(error)}): choose another."
        ) from error


def is_machine_fault(error: BaseException) -> bool:
    """Whether an error tells of the machine at this moment, its memory or its disk, and not of what it was given."""
    cause: BaseException | None = error
    while cause is not None:
        # PyTorch's own words for main memory; for a GPU it has classes.
        of_a_device = (torch.OutOfMemoryError, torch.AcceleratorError)
        if isinstance(cause, (MemoryError, *of_a_device)) or "allocate memory" in str(cause):
            return True
        # Of what the system says to safetensors only the text is kept.
        told = re.search(r"\(os error (\d+)\)", str(cause))
        number = int(told[1]) if told else getattr(cause, "errno", None)
        if number in _MACHINE_FAULTS:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _check_length(path: Path) -> None:
    """Raise ValueError if a file is none that holds tensors, before anything sets memory aside for its header."""
    size = path.stat().st_size
    if not is_plain(path):
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        head = file.read(8)
    length = int.from_bytes(head, "little")
    if len(head) == 8 and 0 < length <= min(LARGEST_HEADER, size - 8):
        return
    if head.startswith((b"PK\3\4", b"\x80")):
        raise UnusableCheckpoint(
            f"{path} is in PyTorch's own format, like the checkpoints of glassliquid 0.1 "
            "(.pt). This version does not read it, and nothing in it was executed: train again, or use glassliquid 0.1."
        )
    raise ValueError("its header is cut off or too large")


def read_parts(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The description, a JSON text, and the tensors of a file; ValueError if they are not what was written."""
    try:
        # Not mapped into memory: a mapped file that cannot be read ends the process.
        with safe_open(path, framework="pt", backend="pread") as file:
            metadata, tensors = file.metadata() or {}, dict(file.get_tensors())
    except FileNotFoundError as error:
        # What safetensors says whenever it cannot open a file, such as with too many open ones.
        if path.exists():
            raise OSError(errno.EMFILE, "it could not be opened", str(path)) from error
        raise
    text = metadata.get(DESCRIPTION_KEY, "")
    if not text:
        raise ValueError("it does not say what it is")
    if metadata.get(CHECKSUM_KEY) != str(_checksum(text, tensors)):
        raise ValueError("its checksum is wrong")
    return text, tensors


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 of a description and the tensors, in the order of their names."""
    checksum = zlib.crc32(text.encode())
    for name in sorted(tensors):
        checksum = zlib.crc32(_bytes_of(tensors[name]), checksum)
    return checksum


def _state(text: str, tensors: Mapping[str, Tensor]) -> State:
    """The state that a file describes; UserError, KeyError, TypeError or ValueError if it describes none."""
    found = restored(Description, json.loads(text), "The checkpoint's details")
    for name in ("name", "digest"):
        if type(found.data[name]) is not str or len(found.data[name]) > LONGEST_NAME:
            raise ValueError(f"the {name} of its dataset is not text")
    described_input(found.data)
    parts: dict[str, Any] = {group: {} for group in GROUPS}
    for key, tensor in tensors.items():
        group, _, name = key.partition(".")
        parts[group][name] = tensor
    return State(**{name: getattr(found, name) for name in fields_of(Description)}, **parts)


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that needs them no more, and what was left half-written of them."""
    for name in (CURRENT, BEST):
        (folder / name).unlink(missing_ok=True)
        remove_partials_of(folder / name)

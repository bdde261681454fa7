"""Run a real training up to its first gradient and print, as JSON, how one gets there: python -m tests.commands.trace_walk OPTIONS.

`stack` has the functions of this project that are on the call stack when `loss.backward()` is called, from the click callback on;
`entered` has all functions of this project that were called until then, not counting what modules do when they are imported.
"""

import json
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch

from entrypoints import train

ROOT = Path(__file__).resolve().parents[2]
OWN = (f"{ROOT / 'src'}/", f"{ROOT / 'entrypoints'}/")
IS_FUNCTION = 1
"""CO_OPTIMIZED: unset in the code of modules and of class bodies."""


class FirstGradientError(Exception):
    """Ends the training there."""


def is_own(code: CodeType) -> bool:
    return code.co_filename.startswith(OWN) and bool(code.co_flags & IS_FUNCTION) and not code.co_name.startswith("<")


def name(code: CodeType) -> str:
    return f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_qualname}"


def main() -> None:
    entered: set[CodeType] = set()
    stack: list[str] = []

    def profile(frame: FrameType, event: str, _arg: Any) -> None:
        if event == "call" and is_own(frame.f_code):
            entered.add(frame.f_code)

    def backward(*_args: Any, **_options: Any) -> None:
        sys.setprofile(None)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if is_own(frame.f_code):
                stack.insert(0, name(frame.f_code))
            frame = frame.f_back
        raise FirstGradientError

    torch.Tensor.backward = backward  # type: ignore[method-assign]
    threading.setprofile(None)
    sys.setprofile(profile)
    try:
        train.main.main(sys.argv[1:], standalone_mode=False)
    except FirstGradientError:
        print(json.dumps({"stack": stack, "entered": sorted(map(name, entered))}))


if __name__ == "__main__":
    main()

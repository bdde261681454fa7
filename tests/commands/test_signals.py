"""A signal in the first seconds of a command, while modules are imported, ends in the sentence too."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entrypoints import STOPPED
from tests.commands.conftest import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at what a process has loaded in /proc")


def loaded(process: subprocess.Popen[str], library: str) -> bool:
    """Whether a process has mapped a library into its memory."""
    try:
        return library in Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("library", ["_pydantic_core", "libtorch_cpu", "_multiarray_umath"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_modules_are_imported_ends_in_the_sentence(
    environment: dict[str, str], tmp_path: Path, library: str, number: int, code: int
):
    process = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.evaluate", "--data-dir", str(tmp_path / "missing")],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not loaded(process, library):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert err.strip() == STOPPED
    # Between two looks an import may end and the next one begin, so it may have come as far as its page.
    assert out == "" or re.fullmatch(r"Page: .*\n", out), out

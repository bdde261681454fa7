"""Memory that a training frees is used again."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from glassliquid.training.device import keep_freed_memory

def faults(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.ones(25_000_000)  # 100 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(5))
keep_freed_memory()
faults(20)  # the heap grows a few times, until its holes are large enough for an aligned tensor
print(faults(5))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_freed_memory_is_kept_for_the_next_tensor():
    # Pages may be large ones, and other threads may fault too: a tenth leaves room for both.
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 10

"""Devices that are not there, number formats, and memory that a training run frees and uses again."""

import platform
import subprocess
import sys

import pytest
import torch

from glassliquid.errors import UserError
from glassliquid.training.device import autocast_type, choose_device

PROGRAM = """
import resource, torch
from glassliquid.memory import keep_freed_memory

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


@pytest.mark.parametrize("name", ["cuda", "mps", "meta", "cuda:99", "tpu9"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name: str):
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if there.get(name):
        pytest.skip("this machine has one")
    with pytest.raises(
        UserError, match=rf"^device is '{name}', which cannot be used here .*: pass auto, cpu, cuda or"
    ) as e:
        choose_device(name)
    assert len(str(e.value)) < 250


def test_precision_on_a_cpu():
    cpu = torch.device("cpu")
    assert autocast_type("auto", cpu) is None
    assert autocast_type("float32", cpu) is None
    assert autocast_type("bfloat16", cpu) is torch.bfloat16

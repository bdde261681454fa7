"""What every benchmark prints beside its figures: the machine, the versions and the seeds, as Markdown."""

import importlib.metadata
import os
import platform
import resource
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from tabulate import tabulate


def print_surroundings(packages: Iterable[str], seeds: str) -> None:
    """Print the processor, how busy it is, the versions of the packages that matter, and the seeds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"Machine: {_processor()}, {cores} cores, load {load} at the start; {platform.system()} {platform.machine()}")
    print(f"Versions: Python {platform.python_version()}, {versions}")
    print(f"Seeds: {seeds}", flush=True)


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n{title}\n")
    print(tabulate(rows, head, "github", disable_numparse=True), flush=True)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and range of repeated measurements."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def processor_seconds_of_children() -> float:
    """Processor time of all processes that this one has started and that have ended [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

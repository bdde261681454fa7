"""A Dask scheduler and workers as real processes on this machine."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.conftest import ROOT


class DaskCluster:
    """A context manager; `start_worker` gives a worker's process, which a test may kill."""

    def __init__(self, folder: Path, code: Path = ROOT / "src") -> None:
        self.folder, self.code = folder, code
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> "DaskCluster":
        note = self.folder / "scheduler.json"
        self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(note), code=self.code
        )
        wait_until(note.exists)
        self.address = wait_for_address(note)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                children = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                for child in children:
                    child.kill()
            process.wait()

    def start_worker(self, *options: str, code: Path = ROOT / "src", nanny: bool = False) -> subprocess.Popen[bytes]:
        """Start a worker of one thread that imports glassliquid from `code`; return when the scheduler knows it."""
        start = ["--nthreads", "1", *([] if nanny else ["--no-nanny"]), "--local-directory", str(self.folder), *options]
        process = self._start("dask_worker", self.address, *start, code=code)
        log = self.folder / f"dask_worker-{len(self.processes) - 1}.log"
        wait_until(lambda: "Registered to" in log.read_text(), seconds=60)
        return process

    @staticmethod
    def worker_process(started: subprocess.Popen[bytes]) -> psutil.Process:
        """The process that works: a nanny's is its child."""
        process = psutil.Process(started.pid)
        children = [child for child in process.children() if "spawn_main" in " ".join(child.cmdline())]
        return children[0] if children else process

    def _start(self, program: str, *arguments: str, code: Path = ROOT / "src") -> subprocess.Popen[bytes]:
        log = (self.folder / f"{program}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--no-dashboard"],
            # The tests' own folder is on the path for the functions that tests hand to workers.
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(code), str(ROOT)]), "OMP_NUM_THREADS": "1"},
            cwd=self.folder,  # not the tests' own: paths have to be absolute
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.processes.append(process)
        return process


def wait_for_address(note: Path) -> str:
    import json

    while True:
        try:
            return str(json.loads(note.read_text())["address"])
        except ValueError:
            time.sleep(0.05)


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)

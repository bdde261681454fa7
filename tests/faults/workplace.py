"""A folder in which a user works: the real commands, a data folder, and the tracking database that they make by themselves."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.files import ABANDONED_AFTER_S
from glassliquid.training.checkpoint import load_checkpoint

PROJECT = Path(__file__).resolve().parents[2]

TRAINING = {
    "batch_size": 14, "iterations": 40, "batches_per_iteration": 6, "eval_every": 2, "seed": 3, "data_dir": "data",
}  # fmt: skip
"""A training of a few seconds on the shared dataset of 28 images."""
PATIENCE_S = 900.0
"""No command takes so long, unless the machine does much else."""
CURVES = ("loss", "learning_rate", "gradient_norm", "weight_norm", "val_loss", "val_accuracy", "val_auc")
"""What a training of the same seed repeats to the last bit."""
FINALS = ("best_val_accuracy", "final_val_accuracy", "largest_drop", "best_iteration", "test_accuracy", "test_loss")


class Workplace:
    """Starts commands in its folder and looks at what they left."""

    def __init__(self, folder: Path, server: str | None = None, outputs: Path | None = None) -> None:
        """Use a folder.

        Args:
            folder: where the commands are started.
            server: address of a tracking server; without it the commands make a database file.
            outputs: where what they print is kept, if not in the folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._outputs = outputs or folder
        self.folder, self._server = folder, server
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._count = 0
        self.started: list[subprocess.Popen[str]] = []
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")} | {
            "PYTHONPATH": str(PROJECT),
            # mlflow looks `python` up on the path; the tests' own must be the one it finds.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self.temporary),
        }
        if server is not None:
            self.environment["MLFLOW_TRACKING_URI"] = server

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def client(self) -> MlflowClient:
        address = self._server or f"sqlite:///{self.folder / 'mlflow.db'}"
        return MlflowClient(address, address)

    def take(self, dataset: Dataset, ensemble: Ensemble | None = None) -> None:
        """Copy the shared data into this workplace."""
        shutil.copytree(dataset.folder, self.data / "datasets" / dataset.name)
        if ensemble is not None:
            shutil.copytree(ensemble.folder, self.data / "ensembles" / ensemble.name)

    def start(
        self, entry_point: str, /, environment: dict[str, str] | None = None, **options: object
    ) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group; what it prints goes into a file."""
        arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        self._count += 1
        with self._output(self._count).open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", f"entrypoints.{entry_point}", *arguments], cwd=self.folder, text=True,
                env=self.environment | (environment or {}), stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        """What a command has printed so far."""
        return self._output(self.started.index(process) + 1).read_text(errors="replace")

    def run(self, entry_point: str, /, environment: dict[str, str] | None = None, **options: object) -> str:
        """Run a command to its end, which must be a good one; return what it printed."""
        process = self.start(entry_point, environment, **options)
        assert process.wait(timeout=PATIENCE_S) == 0, self.said(process)
        return self.said(process)

    def runs(self, stage: str) -> list[Run]:
        """The runs of one stage, oldest first."""
        return list(
            self.client.search_runs(
                ["0"], f"tags.stage = '{stage}'", max_results=1000, order_by=["attributes.start_time ASC"]
            )
        )

    def running(self) -> list[str]:
        """Names of the runs that are RUNNING."""
        return [run.info.run_name for run in self.client.search_runs(["0"], "attributes.status = 'RUNNING'")]

    def artifact(self, run_id: str, name: str) -> Path:
        """Path of a run's artifact."""
        return self.folder / "mlruns" / "0" / run_id / "artifacts" / name

    def left_behind(self) -> list[str]:
        """Half-written files anywhere in the workplace."""
        return [str(path.relative_to(self.folder)) for path in self.folder.rglob(".*.partial*")]

    def left_for_ever(self, *later: str) -> list[str]:
        """What is half-written or temporary and stays, though `later` commands run when nobody can be using it any more."""
        long_ago = time.time() - 2 * ABANDONED_AFTER_S
        for path in [*self.folder.rglob(".*.partial*"), *self.temporary.iterdir()]:
            os.utime(path, (long_ago, long_ago))
        for entry_point in later:
            self.run(entry_point)
        return self.left_behind() + [str(path.relative_to(self.folder)) for path in self.temporary.iterdir()]

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def orphans(self) -> list[int]:
        """Processes of commands that have ended; waits for them a little."""
        groups = {process.pid for process in self.started if process.poll() is not None}
        deadline = time.monotonic() + 40
        while (
            found := [number for number in psutil.pids() if _group(number) in groups]
        ) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def _output(self, count: int) -> Path:
        return self._outputs / f"output-{count:03d}.txt"


def _group(number: int) -> int:
    with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
        if psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
            return os.getpgid(number)
    return -1


def wait_for(condition: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until a condition holds; so long only for a machine that does much else."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def written(paths: Iterable[Path]) -> list[tuple[Path, int, int]]:
    """Files with their sizes and the times at which they were written; what is replaced just now is left out."""
    found = []
    for path in sorted(paths):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found.append((path, status.st_size, status.st_mtime_ns))
    return found


def trains(place: Workplace) -> str:
    """The run that is being trained, once it has a few iterations."""
    wait_for(lambda: [path for path in place.data.glob("runs/*/metrics.jsonl") if path.stat().st_size > 4000])
    (path,) = place.data.glob("runs/*/metrics.jsonl")
    return path.parent.name


def points(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    """All points of a metric, doubled ones too."""
    return sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, key))


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The network's weights in a checkpoint."""
    return dict(load_checkpoint(path).model)

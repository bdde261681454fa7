"""What tracking takes of a training run: python -m benchmarks.bench_tracking [--rounds 3] [--data-dir data].

The same training run by the `train` command, from opening its run to registering its model, in a process of its own each, in turn
against
- sqlite: the default store, a database file, and artifacts in a folder;
- group: an MLflow server with PostgreSQL and an object store (moto's) behind it and logins in front, on the same machine.
Both stores have seen a training run before, whose time does not count. Of each run it is measured
- in its way: how long the command's own thread was in calls of MLflow, which includes what the server does meanwhile, or waited for
  those that it has made beside its own work [s];
- processor: what all threads of the command used in these calls, and in all.
What is sent beside the training, by its other threads, is in the second alone. Writing a model's files, which is not tracking, is not
counted; sending them is. Shares are the ratio of both figures within one run, so that a busy machine lengthens both.
Target: less than 2 %.

It needs what tests/group needs: PostgreSQL, and the extras `server` and `test`. The dataset is made if it is missing.
"""

import argparse
import contextlib
import functools
import gc
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.datasets.make import require_dataset
from tests.group.servers import ADMIN, ADMIN_PASSWORD, BUCKET, KEYS, mlflow_server, object_store, running
from tests.postgresql import server as postgresql_server

DATASET = "data_liquid5"
FLUENT = ("start_run", "end_run", "search_runs")
"""Functions of `mlflow` itself that the commands call; the rest goes through its client."""


@dataclass(frozen=True)
class Taken:
    """What one training run took."""

    wall: float
    """Of the command [s]."""
    processor: float
    """Of all its threads [s]."""
    in_its_way: float
    """Its own thread, in calls of MLflow or waiting for them [s]."""
    processor_of_calls: float
    """Of all threads, in calls of MLflow [s]."""
    calls: int


@dataclass
class Stopwatch:
    """Wall and processor time of calls, those within other calls not counted twice."""

    wall: dict[str, float] = field(default_factory=dict)
    """By the name of the thread [s]."""
    processor: float = 0.0
    """Of all threads [s]."""
    calls: int = 0
    _inside: threading.local = field(default_factory=threading.local)

    def timed(self, function: Callable[..., Any], is_call: bool = True) -> Callable[..., Any]:
        """The same function, timed; what is no call, such as waiting for one, does not count as one."""

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if getattr(self._inside, "call", False):
                return function(*arguments, **named)
            self._inside.call, began = True, (time.monotonic(), time.thread_time())
            try:
                return function(*arguments, **named)
            finally:
                self._inside.call, name = False, threading.current_thread().name
                self.wall[name] = self.wall.get(name, 0.0) + time.monotonic() - began[0]
                self.processor += time.thread_time() - began[1]
                self.calls += is_call

        return call


def train_once(environment: dict[str, str], data_dir: Path, iterations: int) -> Taken:
    """Train in this fresh process, with the environment of a command and garbage left alone while it imports, as in one."""
    gc.disable()
    os.environ.update(environment)
    import mlflow

    import entrypoints  # noqa: F401
    from glassliquid.commands.train import run
    from glassliquid.sessions.training_job import TrainJob
    from glassliquid.training.config import TrainConfig

    watch = Stopwatch()
    Future.result = watch.timed(Future.result, is_call=False)  # type: ignore[method-assign]
    client = mlflow.MlflowClient
    for name in [name for name in dir(client) if not name.startswith("_") and callable(getattr(client, name))]:
        setattr(client, name, watch.timed(getattr(client, name)))
    for name in FLUENT:
        setattr(mlflow, name, watch.timed(getattr(mlflow, name)))
    began = time.monotonic(), time.process_time()
    run(TrainJob(dataset=DATASET, config=TrainConfig(iterations=iterations), data_dir=data_dir), lambda: lambda: False)
    return Taken(
        time.monotonic() - began[0],
        time.process_time() - began[1],
        watch.wall["MainThread"],
        watch.processor,
        watch.calls,
    )


@contextlib.contextmanager
def stores(folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """The environments in which a command finds the stores."""
    with postgresql_server() as database, object_store(folder / "objects") as objects:
        keys = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": objects.address}
        address = database.address.replace("postgresql://", "postgresql+psycopg://")
        with running(mlflow_server(folder / "server", address, f"s3://{BUCKET}/kept", keys, logins=True)) as server:
            login = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD}
            yield {
                "sqlite": {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"},
                "group": {"MLFLOW_TRACKING_URI": server.address, **login},
            }


def main() -> None:
    """Train in turns and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    options = parser.parse_args()
    print_surroundings(["torch", "mlflow"], "0")
    data_dir = options.data_dir.resolve()
    require_dataset(DATASET, data_dir, make_default=True)
    found: dict[str, list[Taken]] = {}
    with tempfile.TemporaryDirectory() as name, stores(Path(name)) as environments:
        context = multiprocessing.get_context("spawn")
        os.chdir(name)
        for number in range(options.rounds + 1):
            for store, environment in environments.items():
                with ProcessPoolExecutor(1, context) as alone:
                    iterations = options.iterations if number else 5
                    taken = alone.submit(train_once, environment, data_dir, iterations).result()
                if number:
                    found.setdefault(store, []).append(taken)
    rows = []
    for store, runs in found.items():
        shares = [
            spread([100 * run.in_its_way / run.wall for run in runs]),
            spread([100 * run.processor_of_calls / run.processor for run in runs]),
        ]
        wall, calls = spread([run.wall for run in runs], 1), spread([run.calls for run in runs], 0)
        rows.append((store, len(runs), calls, wall, spread([run.in_its_way for run in runs]), *shares))
    heading = ("store", "runs", "calls", "run [s]", "in its way [s]", "share [%]", "share of the processor's time [%]")
    print_table(f"{options.iterations} iterations; median and range of the runs", heading, rows)


if __name__ == "__main__":
    main()

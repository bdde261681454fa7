"""What a sweep costs beside its training, and what a second worker brings: python -m benchmarks.bench_sweep DATASET_FOLDER.

The folder is one of a data_dir's datasets, such as data/datasets/data_liquid5. Nothing is written beside it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.report import print_surroundings, print_table, spread

SEED = 0
TRIAL_S = 20.0
"""Length of the trials whose overhead is measured."""
ROUNDS = 3
TRIALS = 6
"""Trials of each sweep whose speed is measured."""
SPEED_ITERATIONS = 40
FIXED = {"batch_sizes": "50", "dropout_low": 0.3, "dropout_high": 0.3, "pruner": "none", "register_as": "none"}
"""One setting, so that all trials are the same work."""


class Clock:
    """Adds up the time of calls."""

    def __init__(self) -> None:
        """Start at zero."""
        self.seconds = 0.0

    def timed(self, function: Any) -> Any:
        """The function, timed."""

        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - started

        return call


def overheads(folder: Path) -> list[tuple[float, float]]:
    """Seconds of each trial in all, and those outside of the trainer or in what it reports to."""
    from glassliquid.datasets.make import require_dataset
    from glassliquid.sessions import training_run
    from glassliquid.sweep.job import SweepJob
    from glassliquid.sweep.space import SearchSpace
    from glassliquid.sweep.storage import open_storage
    from glassliquid.sweep.study import open_study
    from glassliquid.sweep.trial import TrialRunner
    from glassliquid.tracking.run import tracked_run
    from glassliquid.training.config import TrainConfig
    from glassliquid.training.trainer import Trainer

    dataset = require_dataset(folder.name, folder.parents[1], make_default=False)
    splits = training_run.load_training_splits(dataset, "compact", "cpu")
    space = SearchSpace(batch_sizes=(50,), dropout_low=0.3, dropout_high=0.3)

    def measure(iterations: int, trials: int) -> list[tuple[float, float]]:
        config = TrainConfig(iterations=iterations, seed=SEED)
        job = SweepJob(
            config=config, space=space, dataset=dataset.name, data_dir=folder.parents[1], device="cpu", trials=trials
        )
        name = f"overhead-{iterations}"
        address = job.storage_address(name)
        found = []
        with tracked_run("sweep", name) as tracked:
            study = open_study(open_storage(address), name, job.definition(dataset))
            runner = TrialRunner(job, study, tracked.run_id, splits, lambda: False)
            for _ in range(trials):
                inside, reports = Clock(), Clock()

                class Timed(Trainer):
                    def train(self, should_stop: Any, inside: Clock = inside, reports: Clock = reports) -> Any:
                        recorder: Any = self._recorder
                        self._recorder = SimpleNamespace(record=reports.timed(recorder.record))
                        return inside.timed(super().train)(should_stop)

                training_run.Trainer = Timed  # type: ignore[attr-defined]
                started = time.perf_counter()
                runner.run_next()
                total = time.perf_counter() - started
                found.append((total, total - inside.seconds + reports.seconds))
        return found

    warm_up = measure(10, 2)[1]
    iterations = max(10, round(10 * TRIAL_S / (warm_up[0] - warm_up[1])))
    return measure(iterations, ROUNDS)


def speed(data_dir: Path, dataset: str, store: Path, jobs: int, threads: int | None) -> float:
    """Trials a minute of a real sweep, from the start of its first trial to the end of its last."""
    import optuna

    study = f"speed-{jobs}-{threads}"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{store}"}
    environment.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    options = {
        **FIXED,
        "data_dir": data_dir,
        "dataset": dataset,
        "study": study,
        "jobs": jobs,
        "trials": TRIALS,
        "iterations": SPEED_ITERATIONS,
        "seed": SEED,
        "device": "cpu",
    }
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    subprocess.run(
        [sys.executable, "-m", "entrypoints.sweep", *arguments], env=environment, check=True, capture_output=True
    )
    storage = f"sqlite:///{data_dir / 'sweeps' / study / 'study.db'}"
    trials = optuna.load_study(study_name=study, storage=storage).trials
    first = min(trial.datetime_start for trial in trials if trial.datetime_start)
    last = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    return 60 * len(trials) / (last - first).total_seconds()


def main() -> None:
    """Measure both, print tables."""
    from entrypoints import SOURCE

    assert SOURCE in sys.path
    source = Path(sys.argv[1]).resolve()
    print_surroundings(["torch", "optuna", "mlflow"], str(SEED))
    with tempfile.TemporaryDirectory() as name:
        data_dir, store = Path(name) / "data", Path(name) / "mlflow.db"
        shutil.copytree(source, data_dir / "datasets" / source.name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{store}"
        os.chdir(Path(__file__).resolve().parents[1])
        if "--speed" not in sys.argv:
            found = overheads(data_dir / "datasets" / source.name)
            shares = [100 * outside / total for total, outside in found]
            rows = [
                (
                    f"{spread([t for t, _ in found], 1)} s",
                    f"{spread([o for _, o in found])} s",
                    f"{spread(shares, 1)} %",
                )
            ]
            title = f"Optuna and MLflow in a trial ({ROUNDS} trials of compact, batch 50)"
            print_table(title, ("trial", "Optuna and MLflow", "share"), rows)
        if "--overhead" not in sys.argv:
            cases = [("1 worker, 1 thread", 1, 1), ("1 worker, all cores", 1, None), ("2 workers", 2, None)]
            speeds = {label: speed(data_dir, source.name, store, jobs, threads) for label, jobs, threads in cases}
            two = speeds["2 workers"]
            rows = [(label, f"{each:.1f}", f"{two / each:.2f}") for label, each in speeds.items()]
            print_table(
                f"Trials a minute ({TRIALS} trials of {SPEED_ITERATIONS} iterations each)",
                ("workers", "trials/min", "2 workers are faster by"),
                rows,
            )


if __name__ == "__main__":
    main()

"""Scoring against the bare network, the whole of transfer_eval, and its memory: python -m benchmarks.bench_transfer.

Wants the demo ensemble and a model trained on it, as `make demo` leaves them behind; the parameters of the command are
--data-dir (data) and --model (models:/glass-liquid@data_liquid5).
"""

import argparse
import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.commands import transfer_eval
from glassliquid.commands.jobs import TransferJob
from glassliquid.datasets.description import Recipe
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.evaluation.predict import BATCH, predict_logits, predict_stream
from glassliquid.evaluation.scores import score_logits
from glassliquid.evaluation.unseen import trained_recipe, unseen_of_ensemble
from glassliquid.layout import Layout
from glassliquid.tracking.find_model import find_model
from glassliquid.tracking.run import tracked_run
from glassliquid.tracking.store import connect
from glassliquid.training.checkpoint import BEST, save_checkpoint
from glassliquid.training.device import choose_device
from glassliquid.training.found_model import FoundModel

ROUNDS = 7
SCAN_ROUNDS = 3
IMAGES = 15 * BATCH
MEMORY_CASES = (30, 60, 120)
"""Simulations scored in processes of their own, whose peak memory is compared."""


def scoring(found: FoundModel, ensemble: Ensemble, recipe: Recipe) -> None:
    """Images a second of the bare network, of scoring from an array, and of scoring with drawing."""
    device = choose_device("auto")
    model = found.model.eval().to(device)
    snapshots = (5, 60, 120, 200)
    members = ensemble.simulations[: IMAGES // len(snapshots)]
    images = np.stack(list(model.reads.from_snapshots(ensemble, members, snapshots, recipe)))
    labels = np.tile([1, 1, 1, 0], len(members))
    tensor = torch.from_numpy(images).to(device)

    @torch.inference_mode()
    def bare() -> None:
        for start in range(0, len(tensor), BATCH):
            model(tensor[start : start + BATCH])

    def scored() -> None:
        score_logits(predict_logits(model, images, device), labels)

    def drawn() -> None:
        predict_stream(model, model.reads.from_snapshots(ensemble, members, snapshots, recipe), device)

    times = in_turn({"bare network": bare, "scored": scored, "read, drawn and scored": drawn})
    rows = [
        (
            name,
            spread([len(images) / wall for wall, _ in found_times], 0),
            *(spread(ratios(times["bare network"], found_times, clock)) for clock in (0, 1)),
            target,
        )
        for (name, found_times), target in zip(times.items(), ("", ">= 0.9", ""), strict=True)
    ]
    title = f"Scoring {len(images)} images of {recipe.image_size} pixels, {ROUNDS} rounds in turn"
    print_table(title, ("what", "images a second", "of the bare network's speed", "by processor time", "target"), rows)


Times = list[tuple[float, float]]
"""Seconds by the clock and of processor time, one pair a round."""


def in_turn(cases: dict[str, Callable[[], None]]) -> dict[str, Times]:
    """Times of each case in each round; a first round warms up."""
    times: dict[str, Times] = {name: [] for name in cases}
    for round_number in range(ROUNDS + 1):
        for name, case in cases.items():
            started, used = time.perf_counter(), time.process_time()
            case()
            if round_number:
                times[name].append((time.perf_counter() - started, time.process_time() - used))
    return times


def ratios(reference: Times, times: Times, clock: int) -> list[float]:
    """Speed relative to the reference, round by round, by the clock (0) or by processor time (1)."""
    return [a[clock] / b[clock] for a, b in zip(reference, times, strict=True)]


def whole(job: TransferJob) -> None:
    """Seconds of transfer_eval, MLflow and figures included, after everything is imported."""
    seconds = []
    for _ in range(SCAN_ROUNDS):
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            transfer_eval.run(job)
        seconds.append(time.perf_counter() - started)
    # The first also pays for what PyTorch and matplotlib load at their first use.
    rows = [(f"{len(job.liquids or ())} indices", f"{seconds[0]:.1f}", spread(seconds[1:], 1), "< 15")]
    print_table(
        "transfer_eval with the bisection, after start-up [s]", ("coarse scan", "first", "again", "target"), rows
    )


def memory(data_dir: Path, model: str) -> None:
    """Peak memory of processes that score different numbers of images."""
    rows = []
    for simulations in MEMORY_CASES:
        arguments = ["--data-dir", str(data_dir), "--model", model, "--peak-of", str(simulations)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.bench_transfer", *arguments], capture_output=True, text=True, check=True
        )
        images, peak, grown = done.stdout.split()[-3:]
        rows.append((simulations, images, peak, grown))
    head = ("simulations", "images", "peak of the process [MiB]", "of it while scoring [MiB]")
    print_table("Memory", head, rows)


def peak_of(found: FoundModel, ensemble: Ensemble, recipe: Recipe, simulations: int) -> None:
    """Score and print the number of images, the peak, and how much of it came while scoring."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    snapshots = [index for index in ensemble.protocol.snapshots if index % 5 == 0]
    images = found.model.reads.from_snapshots(ensemble, ensemble.simulations[:simulations], snapshots, recipe)
    predict_stream(found.model.eval(), images, torch.device("cpu"))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(simulations * len(snapshots), f"{after / 1024:.0f}", f"{(after - before) / 1024:.0f}")


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--model", default="models:/glass-liquid@data_liquid5")
    parser.add_argument("--peak-of", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    connect()
    layout = Layout(arguments.data_dir)
    found = find_model(arguments.model, layout.runs)
    recipe = trained_recipe(found)
    ensemble = open_ensemble(layout.ensemble(recipe.ensemble))
    if arguments.peak_of:
        peak_of(found, ensemble, recipe, arguments.peak_of)
        return
    print_surroundings(["torch", "numpy", "mlflow"], f"those of {found.label}; bootstrap 0")
    held_out = len(unseen_of_ensemble(ensemble, recipe, layout, found.label).numbers)
    print(f"{found.label} ({found.state.config.model}), {ensemble.name}: {held_out} held-out simulations")
    scoring(found, ensemble, recipe)
    memory(arguments.data_dir, arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, BEST)
        save_checkpoint(found.state, checkpoint)
        # A database of its own: the user's experiment is not filled with benchmarks.
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        with tracked_run("benchmark", "opens the database"):
            pass
        job = TransferJob(model=(str(checkpoint),), data_dir=arguments.data_dir)
        whole(job)


if __name__ == "__main__":
    main()

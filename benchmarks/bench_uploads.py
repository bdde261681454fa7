"""What a large network sends to a server: python -m benchmarks.bench_uploads [--iterations 120] [--every 1].

Trains `cnn2018` on images of 250 pixels, whose checkpoints have 0.86 GB, as its user does, against an MLflow server on the
same machine that passes artifacts on, with a proxy in front that counts: once with `upload_every=end`, the default, and
once with the number of minutes given by `--every`. Both runs have the same seed, so the same states.

It needs the extra `test`, 15 GB of disk and 8 GB of memory: proxy and server hold a file each.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import print_surroundings, print_table
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.make import make_data
from tests.group.proxy import Proxy, proxied
from tests.group.servers import mlflow_server, own_environment, running

ROOT = Path(__file__).resolve().parents[1]
DATASET = "large"
LARGE = 10_000_000
"""A file of more bytes is a checkpoint or a model."""
GB = 1e9


@dataclass(frozen=True)
class Sent:
    """One training run."""

    files: Counter[str]
    """Large ones, by name."""
    gigabytes: float
    """Of all bodies."""
    training_s: float
    """From the first iteration to the last."""
    ending_s: float
    """From the last iteration to the end of the command."""


def train(proxy: Proxy, data_dir: Path, iterations: int, upload_every: str) -> Sent:
    """Train once and count what passes the proxy."""
    import mlflow

    files: Counter[str] = Counter()

    def note(method: str, path: str, size: int) -> None:
        if method == "PUT" and size > LARGE:
            files[path.rpartition("/")[2]] += 1

    proxy.fault, proxy.bytes_in = note, 0
    options = {
        "dataset": DATASET, "model": "cnn2018", "batch_size": "10", "iterations": str(iterations), "eval_every": "5",
        "seed": "1", "upload_every": upload_every, "register_as": "none", "data_dir": str(data_dir),
    }  # fmt: skip
    parts = [part for name, value in options.items() for part in (f"--{name}", value)]
    environment = {**own_environment(), "MLFLOW_TRACKING_URI": proxy.address}
    subprocess.run([sys.executable, "-m", "entrypoints.train", *parts], cwd=ROOT, env=environment, check=True)
    ended = time.time()
    client = mlflow.MlflowClient(proxy.address)
    (run,) = client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)
    times = [point.timestamp / 1000 for point in client.get_metric_history(run.info.run_id, "loss")]
    return Sent(files, proxy.bytes_in / GB, max(times) - min(times), ended - max(times))


def main() -> None:
    """Train with both settings and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=120)
    parser.add_argument("--every", type=float, default=1.0, help="minutes")
    options = parser.parse_args()
    print_surroundings(["torch", "mlflow"], "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'here.db'}"
        make_data(MakeDataConfig(name=DATASET, simulations=60, image_size=250, data_dir=folder / "data"))
        rows = []
        with running(mlflow_server(folder / "server")) as server, proxied(server.port) as proxy:
            for upload_every in ("end", str(options.every)):
                sent = train(proxy, folder / "data", options.iterations, upload_every)
                files = ", ".join(f"{times} x {file}" for file, times in sorted(sent.files.items()))
                rows.append(
                    (upload_every, files, f"{sent.gigabytes:.2f}", f"{sent.training_s:.0f}", f"{sent.ending_s:.0f}")
                )
    heading = ("upload_every [min]", "large files sent", "GB sent", "training [s]", "its end [s]")
    print_table(f"cnn2018 at 250 pixels, {options.iterations} iterations", heading, rows)


if __name__ == "__main__":
    main()

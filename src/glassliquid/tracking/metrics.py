"""Metrics of a run: kept in a local file first, sent to MLflow in batches by a thread.

A tracking server that is slow or gone neither stops nor slows the training, and loses no point: what could not be sent
waits in the file, and `send_pending` sends it later.
"""

import contextlib
import json
import math
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassliquid.errors import UserError
from glassliquid.files import is_plain, locked_if_free, read_plain, whole_number, write_text
from glassliquid.tracking.liveness import SIGN_EVERY_S, give_sign_of_life

JOURNAL = "metrics.jsonl"
"""A line a point: key, value, step, timestamp [ms]."""
SENT = "metrics.sent"
"""How many lines of the journal the server has, and how many bytes those are."""

SEND_EVERY_S = 3.0
LARGEST_BATCH = 1000
"""Points in one call: MLflow takes no more."""
RETRY_AFTER_S = 10.0
GIVE_UP_AFTER_S = 20.0
"""How long the end of a run waits for a server that does not answer."""
TRY_AGAIN_AFTER_S = 0.5
LARGEST_JOURNAL = 1 << 29
"""Bytes; a million iterations take half of it."""
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"[A-Za-z0-9_]+([/. -][A-Za-z0-9_]+)*")
"""Names of metrics that MLflow takes; one that it does not would hold up all points of its batch."""
LONGEST_KEY = 250


def is_run_id(text: str) -> bool:
    """Whether a text may be the id of a run; only such a one becomes part of a path."""
    return _RUN_ID.fullmatch(text) is not None


class MetricJournal:
    """The metrics of one run; `record` returns at once."""

    def __init__(self, run_id: str, folder: Path, parents: Sequence[str] = ()) -> None:
        """Open the journal in `folder`, which belongs to this run, and start sending.

        Args:
            run_id: the run.
            folder: its folder.
            parents: runs that live as long as this one does, which are given signs of life too.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.run_id, self._alive = run_id, (run_id, *parents)
        self._journal, self._sent_path = folder / JOURNAL, folder / SENT
        if self._journal.is_symlink() or self._sent_path.is_symlink():
            raise UserError(f"{folder} has links in the place of its metrics: remove them.")
        self._known = _steps_on_server(run_id)
        self._lines = _whole_lines(self._journal)
        self._sent = max(0, min(_read_note(self._sent_path)[0], len(self._lines)))
        self._bytes_sent = _size(self._lines[: self._sent])
        # By metric: a disk that was full may have taken some points of an iteration and not the others.
        self._last_steps: dict[str, int] = {}
        for point in map(_point, self._lines):
            if point is None:
                continue
            self._last_steps[point["key"]] = max(point["step"], self._last_steps.get(point["key"], -1))
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._send_regularly, name="metrics", daemon=True)
        self._thread.start()

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Keep the metrics of one iteration; what is there already (of a resumed run) is passed over."""
        now = round(time.time() * 1000)
        points = [
            {"key": key, "value": value, "step": iteration, "timestamp": now}
            for key, value in metrics.items()
            if math.isfinite(value) and iteration > self._last_steps.get(key, -1)
        ]
        lines = [json.dumps(point) for point in points]
        with self._journal.open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        with self._lock:
            self._lines += lines
            self._last_steps.update((str(point["key"]), iteration) for point in points)

    def history(self) -> dict[str, list[tuple[int, float]]]:
        """All points so far: metric name to pairs of iteration and value."""
        history: dict[str, list[tuple[int, float]]] = {}
        for line in self._lines:
            if (point := _point(line)) is None:
                continue
            history.setdefault(point["key"], []).append((point["step"], point["value"]))
        return history

    @property
    def points(self) -> int:
        """How many points there are."""
        return len(self._lines)

    def close(self, give_up_after: float | None = None) -> bool:
        """Send what is left, trying for a while [s] if the server does not take it; True if everything reached it."""
        self._closing.set()
        self._thread.join()
        deadline = time.monotonic() + (GIVE_UP_AFTER_S if give_up_after is None else give_up_after)
        while self._sent < len(self._lines):
            if self._send():
                continue
            if time.monotonic() > deadline:
                return False
            time.sleep(TRY_AGAIN_AFTER_S)
        self._note()
        return True

    def _send_regularly(self) -> None:
        wait, signed_at = SEND_EVERY_S, time.monotonic()
        while not self._closing.wait(wait):
            wait = SEND_EVERY_S if self._send() else RETRY_AFTER_S
            if wait == SEND_EVERY_S and time.monotonic() - signed_at >= SIGN_EVERY_S:
                signed_at = time.monotonic()
                # A server that is gone at this moment only makes the run look silent.
                with contextlib.suppress(Exception):
                    give_sign_of_life(self._alive)

    def _send(self) -> bool:
        """Send one batch; False if the server did not take it."""
        from mlflow import MlflowClient
        from mlflow.entities import Metric

        with self._lock:
            batch = self._lines[self._sent : self._sent + LARGEST_BATCH]
        points = [point for line in batch if (point := _point(line)) is not None]
        # After a crash between sending and noting it, the server has points that the note does not count.
        fresh = [point for point in points if point["step"] > self._known.get(point["key"], -1)]
        try:
            if fresh:
                metrics = [Metric(p["key"], p["value"], p["timestamp"], p["step"]) for p in fresh]
                MlflowClient().log_batch(self.run_id, metrics=metrics)
        except Exception:  # whatever the server's trouble is, the training goes on and the points wait
            return False
        self._sent += len(batch)
        self._bytes_sent += _size(batch)
        if batch:
            self._note()
        return True

    def _note(self) -> None:
        # Without the note, on a full disk, the next command asks the server what it has.
        with contextlib.suppress(OSError):
            self._sent_path.write_text(f"{self._sent} {self._bytes_sent}", encoding="utf-8")


@dataclass(frozen=True)
class Delivery:
    """What became of the points that earlier runs could not send."""

    sent: dict[str, int]
    """Run id to the number of points that were sent now."""
    waiting: list[str]
    """Ids of the runs whose points still wait."""


def send_pending(runs_folder: Path) -> Delivery:
    """Send the points that earlier runs on this machine could not send.

    Journals of runs that are being written by a living process are its own business. A journal is only ever appended to,
    so one of the size that was noted when everything was sent has nothing to send, and is not read.
    """
    sent: dict[str, int] = {}
    waiting: list[str] = []
    for journal in sorted(runs_folder.glob(f"*/{JOURNAL}")):
        lines, size = _read_note(journal.with_name(SENT))
        # The folder is named after its run; anything else was not written by a training.
        if not (is_plain(journal) and is_run_id(journal.parent.name)):
            continue
        if journal.stat().st_size == size:
            continue
        with locked_if_free(journal.parent) as is_free:
            if not is_free:
                continue
            try:
                opened = MetricJournal(journal.parent.name, journal.parent)
            except (OSError, UserError):  # of one journal that cannot be read the other commands know nothing
                waiting.append(journal.parent.name)
                continue
            # The store has answered a moment ago; a run that it does not take points of will not be there in a while either.
            if not opened.close(give_up_after=0):
                waiting.append(opened.run_id)
            elif opened.points > lines:
                sent[opened.run_id] = opened.points - lines
    return Delivery(sent, waiting)


def _steps_on_server(run_id: str) -> dict[str, int]:
    """The last step of each metric that the server has; empty if it cannot be asked (then nothing was sent now)."""
    from mlflow import MlflowClient

    client = MlflowClient()
    try:
        keys: list[str] = list(client.get_run(run_id).data.metrics)
        return {key: max(_steps(client.get_metric_history(run_id, key))) for key in keys}
    except Exception:  # an unreachable server is no reason not to train
        return {}


def _steps(history: Any) -> list[int]:
    return [metric.step for metric in history] or [-1]


def _whole_lines(journal: Path) -> list[str]:
    """The lines of a journal; what a killed process left of its last one is cut off."""
    if not journal.exists():
        return []
    text = read_plain(journal, LARGEST_JOURNAL).decode("utf-8", "replace")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(journal, whole)
    return whole.split("\n")[:-1]


def _point(line: str) -> dict[str, Any] | None:
    """The point of a line; None if the line is damaged: what it said is lost, and the other points are not."""
    try:
        point = json.loads(line)
        key, value, step, timestamp = (point[name] for name in ("key", "value", "step", "timestamp"))
        is_whole = type(key) is str and len(key) <= LONGEST_KEY and _KEY.fullmatch(key) is not None
        is_whole = is_whole and type(value) in (int, float) and math.isfinite(value)
        for number in (step, timestamp):
            whole_number(number, 0, 2**62)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return point if is_whole else None


def _read_note(path: Path) -> tuple[int, int]:
    """Lines and bytes that the server has; none if there is no note, and no bytes if it does not tell them."""
    try:
        numbers = [int(word) for word in read_plain(path).split()]
    except (OSError, UserError, ValueError):
        return 0, 0
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (0, 0)


def _size(lines: list[str]) -> int:
    """Bytes that lines take in a journal."""
    return sum(len(line.encode()) + 1 for line in lines)

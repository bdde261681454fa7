"""Metrics of a run: written to a local file first, sent to MLflow in batches by a thread.

A tracking server that is slow or gone neither stops nor slows the training, and loses no point: what could not be sent
waits in the file, and `send_pending` sends it later.
"""

import contextlib
import itertools
import json
import math
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from glassliquid.errors import UserError
from glassliquid.files import is_plain, locked_if_free, read_plain, write_text
from glassliquid.tracking.liveness import HEARTBEAT_EVERY_S, keep_running, send_heartbeat, sign_of_life

JOURNAL = "metrics.jsonl"
"""One line per point: key, value, step, timestamp [ms]."""
SENT = "metrics.sent"
"""How many bytes of the journal the server has; earlier versions wrote the number of lines before it."""

SEND_EVERY_S = 3.0
"""At first: who has just started a training run wants to see points. Each time is as long as all before it together, ..."""
SEND_SELDOM_S = 30.0
"""... but not longer than this: as often as the MLflow page looks for new points."""
LARGEST_BATCH = 1000
"""Points in one call: MLflow takes no more."""
RETRY_AFTER_S = 10.0
GIVE_UP_AFTER_S = 20.0
"""How long the end of a run waits for a server that does not answer."""
TRY_AGAIN_AFTER_S = 0.5
LARGEST_JOURNAL = 1 << 29
"""Bytes; a million iterations take half of it."""
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_WholeNumber = Annotated[int, Field(ge=0, lt=2**62)]


@checked_dataclass(config={"strict": True})
class _Point:
    """A line of a journal."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+([/. -][A-Za-z0-9_]+)*$", max_length=250)]
    """A name that MLflow takes; one that it does not would hold up all points of its batch."""
    value: FiniteFloat
    step: _WholeNumber
    timestamp: _WholeNumber


_POINTS = TypeAdapter(_Point)


def is_run_id(text: str) -> bool:
    """Whether a text may be the id of a run; only such a one becomes part of a path."""
    return _RUN_ID.fullmatch(text) is not None


class MetricJournal:
    """The metrics of one run; `record` returns at once."""

    def __init__(self, run_id: str, folder: Path, parents: Sequence[str] = (), is_new: bool = False) -> None:
        """Open the journal in `folder`, which belongs to this run, and start sending.

        Args:
            run_id: the run.
            folder: its folder.
            parents: runs that live as long as this one does, which are given signs of life too.
            is_new: whether it is known that the server has no curve of the run; else it is asked.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.run_id, self.folder, self._parents = run_id, folder, parents
        self._journal, self._sent_path = folder / JOURNAL, folder / SENT
        if self._journal.is_symlink() or self._sent_path.is_symlink():
            raise UserError(f"{folder} has links where its metrics should be: remove them.")
        # A journal may have been sent since that was known.
        self._known = {} if is_new and not self._journal.exists() else _steps_on_server(run_id)
        self._lines = _whole_lines(self._journal)
        noted = _noted_bytes(self._sent_path)
        self._sent = sum(end <= noted for end in itertools.accumulate(map(_size, self._lines)))
        self._bytes_sent = sum(map(_size, self._lines[: self._sent]))
        self.waiting = len(self._lines) - self._sent
        """Points that waited when the journal was opened."""
        # By metric: a disk that was full may have taken some points of an iteration and not the others.
        self._last_steps = {key: max(step for step, _ in points) for key, points in self.history().items()}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._send_regularly, name="metrics", daemon=True)
        self._thread.start()

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of one iteration; what is there already (of a resumed run) is passed over."""
        now = round(time.time() * 1000)
        fresh = {
            key: value
            for key, value in metrics.items()
            if math.isfinite(value) and iteration > self._last_steps.get(key, -1)
        }
        lines = [
            json.dumps({"key": key, "value": value, "step": iteration, "timestamp": now})
            for key, value in fresh.items()
        ]
        with self._journal.open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        with self._lock:
            self._lines += lines
            self._last_steps.update(dict.fromkeys(fresh, iteration))

    def history(self) -> dict[str, list[tuple[int, float]]]:
        """All points so far: metric name to pairs of iteration and value."""
        history: dict[str, list[tuple[int, float]]] = {}
        for point in _points(self._lines):
            history.setdefault(point.key, []).append((point.step, point.value))
        return history

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
        wait, began = SEND_EVERY_S, time.monotonic()
        signed_at = began
        while not self._closing.wait(wait):
            now = time.monotonic()
            signs = now - signed_at >= HEARTBEAT_EVERY_S
            sent = self._send(signs)
            wait = min(max(SEND_EVERY_S, now - began), SEND_SELDOM_S) if sent else RETRY_AFTER_S
            if sent and len(self._lines) - self._sent >= LARGEST_BATCH:
                wait = 0.0  # after an outage, or of iterations that take hundredths of a second
            if sent and signs:
                signed_at = now
                # A server that is gone at this moment only makes the run look silent.
                with contextlib.suppress(Exception):
                    keep_running(self.run_id)
                    send_heartbeat(self._parents)

    def _send(self, signs: bool = False) -> bool:
        """Send one batch, with a sign of life if it `signs`; False if the server did not take it."""
        from mlflow import MlflowClient
        from mlflow.entities import Metric

        with self._lock:
            batch = self._lines[self._sent : self._sent + LARGEST_BATCH]
        # After a crash between sending and noting it, the server has points that the note does not count.
        fresh = [point for point in _points(batch) if point.step > self._known.get(point.key, -1)]
        try:
            if fresh or signs:
                metrics = [Metric(point.key, point.value, point.timestamp, point.step) for point in fresh]
                MlflowClient().log_batch(self.run_id, metrics=metrics, tags=sign_of_life() if signs else [])
        except Exception:  # whatever the server's trouble is, the training continues and the points wait
            return False
        self._sent += len(batch)
        self._bytes_sent += sum(map(_size, batch))
        if batch:
            self._note()
        return True

    def _note(self) -> None:
        # Without the note, on a full disk, the next command asks the server what it has.
        with contextlib.suppress(OSError):
            self._sent_path.write_text(str(self._bytes_sent), encoding="utf-8")


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
        run_id = journal.parent.name
        # The folder is named after its run; anything else was not written by a training run.
        if not (is_plain(journal) and is_run_id(run_id)):
            continue
        if journal.stat().st_size == _noted_bytes(journal.with_name(SENT)):
            continue
        with locked_if_free(journal.parent) as is_free:
            if not is_free:
                continue
            try:
                opened = MetricJournal(run_id, journal.parent)
            except (OSError, UserError):  # of one journal that cannot be read the other commands know nothing
                waiting.append(run_id)
                continue
            # The store has answered a moment ago; a run that it does not take points of will not be there in a while either.
            if not opened.close(give_up_after=0):
                waiting.append(run_id)
            elif opened.waiting:
                sent[run_id] = opened.waiting
    return Delivery(sent, waiting)


def _steps_on_server(run_id: str) -> dict[str, int]:
    """The last step of each metric that the server has; empty if it cannot be asked (then nothing was sent now)."""
    from mlflow import MlflowClient

    client = MlflowClient()
    try:
        keys = client.get_run(run_id).data.metrics
        return {key: max((m.step for m in client.get_metric_history(run_id, key)), default=-1) for key in keys}
    except Exception:  # an unreachable server is no reason not to train
        return {}


def _whole_lines(journal: Path) -> list[str]:
    """The lines of a journal; what a killed process left of its last one is cut off."""
    if not journal.exists():
        return []
    text = read_plain(journal, LARGEST_JOURNAL).decode("utf-8", "replace")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(journal, whole)
    return whole.split("\n")[:-1]


def _points(lines: Sequence[str]) -> list[_Point]:
    """The points of lines; what a damaged line said is lost, and the other points are not."""
    points = []
    for line in lines:
        with contextlib.suppress(ValueError):
            points.append(_POINTS.validate_json(line))
    return points


def _noted_bytes(path: Path) -> int:
    """How many bytes of the journal the server has by its note; none if there is no note."""
    try:
        return int(read_plain(path).split()[-1])
    except (OSError, UserError, ValueError, IndexError):
        return 0


def _size(line: str) -> int:
    """Bytes that a line takes in a journal."""
    return len(line.encode()) + 1

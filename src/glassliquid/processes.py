"""Worker processes that leave Ctrl-C to their parent from their first moment."""

import multiprocessing.context
import signal
from multiprocessing import resource_tracker


class _Process(multiprocessing.context.SpawnProcess):
    """A process that inherits a mask of signals: it ignores SIGINT also while it imports modules, which takes seconds."""

    def start(self) -> None:
        """Start it. A Ctrl-C in between reaches this process afterwards."""
        resource_tracker.ensure_running()  # which would unblock the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerContext(multiprocessing.context.SpawnContext):
    """Processes are spawned, not forked: a forked copy of a process that has threads (PyTorch, MLflow) can deadlock."""

    Process = _Process

"""Ctrl-C reaches the whole group of processes of a terminal; workers leave it to their parent."""

import os
import signal
import time

from glassliquid.processes import WorkerContext


def test_a_worker_does_not_hear_ctrl_c_while_it_starts():
    """Python takes longer to start than this process to send the signals."""
    process = WorkerContext().Process(target=time.sleep, args=(0.2,))
    process.start()
    for _ in range(10):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.02)
    process.join(60)
    assert process.exitcode == 0
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())

"""Settings of Dask for workers that run simulations of seconds to hours, one at a time, each on a core that it fills."""

QUIET: dict[str, object] = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "2s",
    "distributed.admin.system-monitor.interval": "5s",
}
"""Dask watches itself up to a hundred times a second in each of its processes: by itself that takes 1.5 % of a core in the
scheduler and 4 % beside every worker, with these settings 0.3 % each."""


def variables() -> dict[str, str]:
    """The settings as environment variables, which Dask's programs read when they start."""
    return {f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": str(value) for name, value in QUIET.items()}

"""sweep: search batch size, dropout and what else is asked for; one table of what was found."""

import contextlib
import os
from collections.abc import Callable, Iterator

from glassliquid.commands.train import WatchForStop
from glassliquid.datasets.description import Dataset
from glassliquid.datasets.make import require_dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import Stopped, UserError
from glassliquid.files import locked
from glassliquid.layout import Layout
from glassliquid.progress_bar import progress_bar
from glassliquid.sessions.training_run import conclude_run, load_training_splits, register_best, stopper
from glassliquid.sweep import pictures
from glassliquid.sweep import study as kept
from glassliquid.sweep.job import SweepJob, sweep_line, train_line
from glassliquid.sweep.join import TAG_JOINS, TAG_TRIALS, left_to_make_table, parent_of
from glassliquid.sweep.storage import (
    StorageSilent,
    answering,
    open_storage,
    refuse_password,
    same_database,
    sqlite_file,
)
from glassliquid.sweep.study import Row, Study, open_study
from glassliquid.sweep.table import as_csv, best_of, counts, markdown, percent
from glassliquid.sweep.trial_run import MODEL_RUN, RUN, TAG_STUDY
from glassliquid.sweep.workers import cores, threads_of, workers_of
from glassliquid.tracking import tag
from glassliquid.tracking.given_run import RUN_ID_VARIABLE
from glassliquid.tracking.liveness import send_heartbeat
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.store import connect
from glassliquid.tracking.stored import children_of, find_run
from glassliquid.training.checkpoint import remove_checkpoints
from glassliquid.training.device import choose_device
from glassliquid.upkeep.housekeeping import housekeeping
from glassliquid.upkeep.stale_runs import TAG_CLAIM, mark_killed, same_end_time


def run(job: SweepJob, watch_for_stop: WatchForStop) -> None:
    """Search, tracked; a sweep that is stopped says how to go on and raises Stopped.

    Raises:
        UserError: the storage does not answer or cannot be written, or there is something to mend before.
    """
    if job.storage is not None:
        refuse_password(job.storage, os.environ.get(RUN_ID_VARIABLE))
    try:
        with answering():
            _run(job, watch_for_stop)
    except StorageSilent as silent:
        remedy = "free some space" if silent.cannot_be_written else "start it"
        raise UserError(
            f"The storage of the study cannot be used ({silent}): {remedy}, then run the same command again."
        ) from silent


def _run(job: SweepJob, watch_for_stop: WatchForStop) -> None:
    device = choose_device(job.device)
    store = connect()
    if job.storage is not None:
        # Before the minutes that it may take to make the dataset.
        _check_apart(job.storage, store)
        open_storage(job.storage)
    dataset = require_dataset(job.dataset, job.data_dir, make_default=True)
    _check_batch_sizes(job, dataset)
    name = job.study_name(dataset)
    address = job.storage_address(name)
    with _alone(address):
        study = open_study(open_storage(address), name, job.definition(dataset))
        parent, joins = parent_of(study, store, alone=sqlite_file(address) is not None)
        should_stop = stopper(job.max_hours, watch_for_stop())
        print(_beginning(job, study, address, str(device)), flush=True)
        if parent is not None and joins and not _join(job, study, parent, should_stop):
            return
        with tracked_run("sweep", f"sweep {name}", parent) as tracked, housekeeping(tracked, Layout(job.data_dir).runs):
            if parent is not None:
                tracked.forget(TAG_CLAIM)  # from now on the run itself says where it lives
            _introduce(job, study, tracked, dataset, store)
            rows = _search(job, study, tracked, tracked.run_id, should_stop)
            print(_conclude(job, study, rows, tracked, dataset, on_cpu=device.type == "cpu"))


def _join(job: SweepJob, study: Study, parent: str, should_stop: Callable[[], bool]) -> bool:
    """Work on a study whose table another command makes, in a run of its own, until that table is there.

    Returns:
        Whether the table has become this command's: the other one has ended without making it, or has made one of fewer
        trials, and no third one has taken its place.

    Raises:
        Stopped: `should_stop` answered True; it says how to go on.
    """
    with tracked_run("sweep", f"sweep {study.name}") as tracked, housekeeping(tracked, Layout(job.data_dir).runs):
        tracked.tags({TAG_JOINS: parent})
        tracked.describe(
            f"This command works on the study {study.name}; its trials and its table are in the run `{parent}`."
        )
        rows = _search(job, study, tracked, parent, should_stop)
        print(
            f"The study {study.name} is complete ({counts(rows)}); its table belongs to the run {parent}.", flush=True
        )
        return left_to_make_table(job, parent, should_stop)


def _search(
    job: SweepJob, study: Study, tracked: TrackedRun, parent: str, should_stop: Callable[[], bool]
) -> list[Row]:
    """Run what is missing; the trials' runs become children of `parent`.

    Raises:
        Stopped: `should_stop` answered True; it says how to go on.
    """
    missing = job.slots - len(kept.done(study.rows(), job.slots))
    with (
        workers_of(job, study, parent, min(job.jobs, missing)) as workers,
        progress_bar("Sweeping", "trials") as progress,
    ):

        def report(rows: list[Row]) -> None:
            best = best_of(rows)
            note = "no trial complete yet"
            if best is not None:
                note = f"best {100 * (best.value or 0.0):.2f} % (trial {best.number})"
            progress(len(kept.done(rows, job.slots)), job.slots, note)

        try:
            return workers.run(job.slots, tracked, should_stop, report)
        except Stopped as stopped:
            raise Stopped(f"{stopped} Run the same command again to continue: {sweep_line(job)}") from stopped


def _check_batch_sizes(job: SweepJob, dataset: Dataset) -> None:
    largest, images = max(job.space.batch_sizes), len(dataset.split_range(Split.TRAIN))
    if largest > images:
        raise UserError(
            f"batch_sizes has {largest}, and the training split of {dataset.name} has {images} images: pass batch sizes of "
            f"{images} or less."
        )


def _check_apart(address: str, store: str) -> None:
    """Optuna and MLflow both note the version of their tables under one name, and neither reads the other's."""
    if same_database(address, store):
        raise UserError(
            f"storage is {address}, which is the tracking store of MLflow, and its tables clash with Optuna's: "
            "pass another database."
        )


@contextlib.contextmanager
def _alone(address: str) -> Iterator[None]:
    """An SQLite file has no lock on a row, so one command at a time works on its study; a server has."""
    file = sqlite_file(address)
    if file is None:
        yield
        return
    with locked(file.absolute().parent, "sweeping"):
        yield


def _introduce(job: SweepJob, study: Study, tracked: TrackedRun, dataset: Dataset, store: str) -> None:
    study.adopt(tracked.run_id, store)
    tracked.tags({TAG_STUDY: study.name, TAG_TRIALS: job.slots})
    tracked.json({**job.definition(dataset), "study": study.name}, "config.json")
    tracked.dataset(dataset, context="training")
    tracked.describe(f"{_link(job, study, tracked)}\n\n{job.caption}")


def _link(job: SweepJob, study: Study, tracked: TrackedRun) -> str:
    """Where MLflow compares the trials. It begins the description: what is lower in a folded one cannot be clicked."""
    return f"[Compare the trials in parallel coordinates]({tracked.study_view(study.name, job.space.names)})"


def _beginning(job: SweepJob, study: Study, address: str, device: str) -> str:
    """What the command is about to do."""
    rows = study.rows()
    ended, points = len(kept.done(rows, job.slots)), job.points
    lines = [f"Sweeping {job.caption}, {job.slots} trials with {job.jobs} workers on {device}."]
    lines.append(f"Study {study.name} in {address}" + (f": {ended} trials are there." if rows else "."))
    if points is not None and job.trials < len(points):
        lines.append(f"The grid has {len(points)} points; for all of them pass -P trials={len(points)}.")
    return "\n".join(lines)


def _conclude(job: SweepJob, study: Study, rows: list[Row], tracked: TrackedRun, dataset: Dataset, on_cpu: bool) -> str:
    """Test and register the best trial's model; keep table, pictures and headline on the parent run; return the headline."""
    # No worker gives signs any more, and a test and pictures may take a while.
    send_heartbeat([tracked.run_id])
    names, images = job.space.names, len(dataset.split_range(Split.VALIDATION))
    done = kept.done(rows, job.slots)
    _clear_away(job, rows)
    tracked.text(as_csv(rows, names, images), "trials.csv")
    states = {state: sum(row.state == state for row in rows) for state in (*kept.DONE, kept.KILLED)}
    tracked.metrics({f"trials_{state.lower()}": count for state, count in states.items()})
    best = best_of(done)
    if best is None:
        raise UserError(f"No trial is complete ({counts(rows)}): search elsewhere, under another study name.")
    threads = threads_of(job.jobs) if on_cpu and threads_of(job.jobs) != cores() else None
    line = train_line(job, best.settings, threads)
    settings = ", ".join(f"{name} {best.settings[name]:.4g}" for name in names)
    shares = pictures.importances(study, rows, names)
    explained = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    equals = sum(row.value == best.value for row in done) - 1
    shared = f" (shared with {equals} others, of which it fell least or has the lowest loss)" if equals else ""
    found = [
        f"Best of {len(done)} trials ({counts(rows)}): trial {best.number}, {settings}.",
        f"Its validation accuracy is {percent(best, images)}, the highest of {len(done)} on the same images{shared} and so a "
        f"flattering one; {_tested(job, best, tracked.run_id, dataset)}",
        f"Importance: {explained}." if shares else "Importance: cannot be told from so few or equal accuracies.",
        f"To repeat it: {line}",
    ]
    table = markdown(done, names, images)
    for name, figure in pictures.figures(study, done, names):
        tracked.figure(figure, f"{name}.png")
    tracked.text(pictures.page(study, done, names), "trials.html")
    tracked.text(line + "\n", "best_trial.txt")
    tracked.metrics({"best_val_accuracy": best.value or 0.0, "best_trial": best.number})
    tracked.tags({"best_run": best.attributes[RUN]})
    tracked.describe("\n\n".join([_link(job, study, tracked), found[0], job.caption, *found[1:3], f"`{line}`", table]))
    return "\n" + "\n\n".join([table, *found])


def _clear_away(job: SweepJob, rows: list[Row]) -> None:
    """Remove the checkpoints of trials that were killed: they were run again from their beginning.

    Where the tracking store was gone when a trial was killed, its run is marked now.
    """
    runs_folder = Layout(job.data_dir).runs
    for row in rows:
        run_id = str(row.attributes.get(RUN, ""))
        stored = find_run(run_id) if row.state == kept.KILLED and run_id else None
        if stored is not None:
            if (stored.status, stored.tags.get(tag.TRIAL_STATE)) != ("KILLED", kept.KILLED):
                mark_killed(run_id, {tag.TRIAL_STATE: kept.KILLED})
            for each in (run_id, *(child.run_id for child in children_of(run_id))):
                remove_checkpoints(runs_folder / each)


def _tested(job: SweepJob, best: Row, parent: str, dataset: Dataset) -> str:
    """Test the best trial's model, unless that was done before, and register it; the end of a sentence about it."""
    run_id = str(best.attributes[MODEL_RUN])
    stored = find_run(run_id)
    if stored is None:
        return f"its run {run_id} is in another tracking store, where its model can be evaluated."
    if tag.LOGGED_MODEL not in stored.tags or stored.status != "FINISHED":
        accuracy = float(best.attributes["model_accuracy"])
        above = parent if run_id == best.attributes[RUN] else str(best.attributes[RUN])
        splits = load_training_splits(dataset, job.config.model, job.device)
        one = job.training(job.config)
        with (
            same_end_time(run_id),
            tracked_run(stored.tags["stage"], stored.tags["mlflow.runName"], run_id, above) as tracked,
        ):
            test, model = conclude_run(one, tracked, splits)
            registered = register_best(one, model, run_id, dataset, accuracy)
            tracked.tags({tag.LOGGED_MODEL: model})  # last: it says that all of this was done
        return f"the test accuracy of its best model is {test}. {registered}"
    images, accuracy = round(stored.metrics["test_images"]), stored.metrics["test_accuracy"]
    return (
        f"the test accuracy of its best model is {100 * accuracy:.2f} % ({round(accuracy * images)} of {images}), as found "
        "before."
    )

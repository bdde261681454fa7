"""sweep: search batch size, dropout and what else is asked for; one table of what was found."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from glassliquid.command_line import option
from glassliquid.commands.train import WatchForStop
from glassliquid.datasets.description import Dataset
from glassliquid.datasets.make import require_dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import Stopped, UserError
from glassliquid.evaluation.fate import chance_of
from glassliquid.files import locked
from glassliquid.layout import Layout
from glassliquid.memory import collect_garbage
from glassliquid.progress_bar import duration, progress_bar
from glassliquid.sessions.rehearsal import cost_of
from glassliquid.sessions.stopping import ending_soon, stopper
from glassliquid.sessions.training_run import load_training_splits
from glassliquid.sweep.best import register_best_trial
from glassliquid.sweep.job import SweepJob, sweep_line, train_line
from glassliquid.sweep.join import TAG_JOINS, TAG_TRIALS, left_to_make_table, parent_of
from glassliquid.sweep.pictures import Pictures
from glassliquid.sweep.space import BATCH_SIZE, configured
from glassliquid.sweep.storage import open_storage, refuse_password, same_database, sqlite_file
from glassliquid.sweep.study import FINISHED, State, Study, TrialRecord, finished, open_study
from glassliquid.sweep.table import as_csv, counts, fates, is_best_at_chance, markdown, percent, ranked
from glassliquid.sweep.trial import RUN, TAG_STUDY
from glassliquid.sweep.workers import Workers, cores, threads_of
from glassliquid.tracking import tag
from glassliquid.tracking.data import dataset_tags
from glassliquid.tracking.given_run import RUN_ID_VARIABLE, note_rehearsal
from glassliquid.tracking.liveness import send_heartbeat
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.store import connect, raise_if_lost
from glassliquid.tracking.stored import children_of, find_run
from glassliquid.training.checkpoint import remove_checkpoints
from glassliquid.training.device import choose_device
from glassliquid.training.size import megabytes
from glassliquid.upkeep.housekeeping import housekeeping
from glassliquid.upkeep.stale_runs import TAG_CLAIM, mark_killed


def run(job: SweepJob, watch_for_stop: WatchForStop) -> None:
    """Search, tracked: a study, its workers, the table, the best model registered.

    Raises:
        Stopped: it was asked to stop; says how to continue.
        UserError: something is to be changed before, or the storage or the tracking store is lost.
    """
    if job.storage is not None:
        refuse_password(job.storage, os.environ.get(RUN_ID_VARIABLE))
    device, store = choose_device(job.device), connect()
    collect_garbage()  # what a command imports is there
    if job.storage is not None:
        # Before the minutes that it may take to make the dataset.
        _check_storage(job.storage, store)
    dataset = require_dataset(job.dataset, job.data_dir, make_default=not job.dry_run)
    _check_batch_sizes(job, dataset)
    if job.dry_run:
        found = _rehearse(job, dataset)
        note_rehearsal("sweep", found)
        print(found)
        return
    name = job.study_name(dataset)
    address = job.storage_address(name)
    with _alone(address), _how_to_go_on(job):
        should_stop = stopper(job.max_hours, watch_for_stop())
        study = open_study(open_storage(address, should_stop), name, job.definition(dataset))
        parent, joins = parent_of(study, store, alone=sqlite_file(address) is not None)
        print(_beginning(job, study, address, str(device)), flush=True)
        if parent is not None and joins and not _join(job, study, parent, should_stop):
            return
        with tracked_run("sweep", f"sweep {name}", parent) as tracked, housekeeping(tracked, _runs(job)):
            _introduce(job, study, tracked, dataset, store)
            trials = _run_trials(job, study, tracked, tracked.run_id, should_stop)
            with ending_soon(should_stop):
                # No worker shows any more that the command lives, and a test and pictures may take a while.
                send_heartbeat([tracked.run_id])
                _clear_away(job, trials)
                classes = dataset.class_counts(Split.VALIDATION)
                images = sum(classes)
                best = _log_table(job, trials, tracked, images)
                at_chance = is_best_at_chance(finished(trials, job.slots), images, chance_of(classes))
                tested = None if at_chance else register_best_trial(job, best, tracked.run_id, dataset)
                threads = threads_of(job.jobs) if device.type == "cpu" and threads_of(job.jobs) != cores() else None
                line = train_line(job, best.settings, threads)
                print(f"\n{_log_findings(job, study, trials, tracked, tested, line, images)}")


def _rehearse(job: SweepJob, dataset: Dataset) -> str:
    """What the sweep would search and what it costs, in lines, by the training run with the largest batch."""
    splits = load_training_splits(dataset, job.config.model, job.device)
    config = configured(job.config, max(job.space.corners(), key=lambda corner: corner[BATCH_SIZE]))
    cost, number = cost_of(config, splits), job.slots * job.repeats
    return "\n".join(
        [
            f"Searching {job.caption}, {job.slots} trials, {job.jobs} at a time, on {splits}.",
            f"Network: {cost.size}.",
            f"With batches of {config.batch_size} an iteration takes {cost.iteration_s:.3g} s when run alone, a validation {cost.validation_s:.3g} s, "
            f"and a training run of {config.iterations} iterations {duration(cost.run_s(config))}: {number} training runs take at most about "
            f"{duration(number * cost.run_s(config))} one after the other; workers share the cores.",
            f"Memory: {megabytes(cost.memory_bytes)} for each worker.",
            "This was a dry run and nothing was kept: leave out dry_run to search.",
        ]
    )


def _join(job: SweepJob, study: Study, parent: str, should_stop: Callable[[], bool]) -> bool:
    """Work on a study whose table another command makes, in a run of its own, until that table is there.

    Returns:
        Whether the table has become this command's: the other one has ended without making it, or has made one of fewer
        trials, and no third one has taken its place.
    """
    with tracked_run("sweep", f"sweep {study.name}") as tracked, housekeeping(tracked, _runs(job)):
        tracked.tags({TAG_JOINS: parent})
        tracked.describe(
            f"This command works on the study {study.name}; its trials and its table are in the run `{parent}`."
        )
        trials = _run_trials(job, study, tracked, parent, should_stop)
        print(
            f"The study {study.name} is complete ({counts(trials)}); its table belongs to the run {parent}.", flush=True
        )
        return left_to_make_table(parent, job.slots, should_stop)


def _run_trials(
    job: SweepJob, study: Study, tracked: TrackedRun, parent: str, should_stop: Callable[[], bool]
) -> list[TrialRecord]:
    """Run what is missing; the trials' runs become children of `parent`."""
    missing = job.slots - len(finished(study.trials(), job.slots))
    with (
        Workers(job, study, parent, min(job.jobs, missing)) as workers,
        progress_bar("Sweeping", "trials") as progress,
    ):

        def show(trials: list[TrialRecord]) -> None:
            best = next(iter(ranked(trials)), None)
            note = f"best {100 * (best.value or 0.0):.2f} % (trial {best.number})" if best else "no trial complete yet"
            progress(len(finished(trials, job.slots)), job.slots, note)

        return workers.run(job.slots, should_stop, tracked.run_id, show)


@contextlib.contextmanager
def _how_to_go_on(job: SweepJob) -> Iterator[None]:
    """Let whatever stops the sweep, or a store that is lost, say how to continue."""
    again = f"un the same command again to continue: {sweep_line(job)}"
    try:
        yield
    except Stopped as stopped:
        raise type(stopped)(f"{stopped} R{again}") from stopped
    except Exception as error:
        raise_if_lost(error, f"When the store works again, r{again}")
        raise


def _check_storage(address: str, store: str) -> None:
    """Optuna and MLflow both note the version of their tables under one name, and neither reads the other's."""
    if same_database(address, store):
        raise UserError(
            f"storage is {address}, which is the tracking store of MLflow, and its tables clash with Optuna's: "
            "pass another database."
        )
    open_storage(address)


def _check_batch_sizes(job: SweepJob, dataset: Dataset) -> None:
    largest, images = max(job.space.batch_sizes), len(dataset.split_range(Split.TRAIN))
    if largest > images:
        raise UserError(
            f"batch_sizes has {largest}, but the training split of {dataset.name} has {images} images: pass batch sizes of "
            f"{images} or less."
        )


def _alone(address: str) -> contextlib.AbstractContextManager[None]:
    """An SQLite file has no lock on a row, so one command at a time works on its study; a server has."""
    file = sqlite_file(address)
    return contextlib.nullcontext() if file is None else locked(file.absolute().parent, "sweeping")


def _introduce(job: SweepJob, study: Study, tracked: TrackedRun, dataset: Dataset, store: str) -> None:
    tracked.forget(TAG_CLAIM)  # from now on the run itself says where it lives
    study.set_parent_run(tracked.run_id, store)
    described = {tag.NOTE: f"{_link(job, study, tracked)}\n\n{job.caption}", **dataset_tags(dataset)}
    tracked.tags({TAG_STUDY: study.name, TAG_TRIALS: job.slots, **described})
    tracked.json({**job.definition(dataset), "study": study.name}, "config.json")
    tracked.input(dataset.name, dataset.digest, dataset.folder, context="training")


def _link(job: SweepJob, study: Study, tracked: TrackedRun) -> str:
    """Where MLflow compares the trials. It begins the description: what is lower in a folded one cannot be clicked."""
    return f"[Compare the trials in parallel coordinates]({tracked.study_view(study.name, job.space.names)})"


def _beginning(job: SweepJob, study: Study, address: str, device: str) -> str:
    """What the command is about to do."""
    trials = study.trials()
    ended = f": {len(finished(trials, job.slots))} trials have finished." if trials else "."
    lines = [f"Sweeping {job.caption}, {job.slots} trials, {job.jobs} at a time, on {device}."]
    lines.append(f"Study {study.name} in {address}{ended}")
    points = len(job.space.grid(0))
    if job.sampler == "grid" and job.trials < points:
        lines.append(f"The grid has {points} points; for all of them pass {option('trials', points)}.")
    return "\n".join(lines)


def _log_table(job: SweepJob, trials: list[TrialRecord], tracked: TrackedRun, images: int) -> TrialRecord:
    """Keep the table of all trials on the study's run; the best trial.

    Raises:
        UserError: no trial is complete.
    """
    tracked.text(as_csv(trials, job.space.names, images), "trials.csv")
    states = [trial.state for trial in trials]
    tracked.metrics({f"trials_{state.lower()}": states.count(state) for state in (*FINISHED, State.KILLED)})
    best = next(iter(ranked(finished(trials, job.slots))), None)
    if best is None:
        raise UserError(f"No trial is complete ({counts(trials)}): search other values, under another study name.")
    return best


def _log_findings(
    job: SweepJob,
    study: Study,
    trials: list[TrialRecord],
    tracked: TrackedRun,
    tested: str | None,
    line: str,
    images: int,
) -> str:
    """Keep pictures and headline on the study's run, and the command `line` that repeats the best trial; return the headline.

    `tested` is what became of that trial's model; None if no trial is better than chance, so that none is the best.
    """
    names, ended = job.space.names, finished(trials, job.slots)
    tags: dict[str, object] = {}
    best, pictures = ranked(ended)[0], Pictures(study, ended, names)
    figures = {"best_val_accuracy": best.value or 0.0}
    for name, figure in pictures.figures():
        tracked.figure(figure, f"{name}.png")
    tracked.text(pictures.page(), "trials.html")
    settings = ", ".join(f"{name} {best.settings[name]:.4g}" for name in names)
    explained = ", ".join(f"{name} {100 * share:.0f} %" for name, share in pictures.importances.items())
    equals = sum(trial.value == best.value for trial in ended) - 1
    shared = f" (shared with {equals} others; among them it has the smallest drop or the lowest loss)" if equals else ""
    if tested is None:
        found = [
            f"Best of {len(ended)} trials ({counts(trials)}): none, because none is better than chance.",
            f"The highest validation accuracy is {percent(best, images)}, which guessing may also reach; "
            "no model is tested or registered.",
        ]
    else:
        found = [
            f"Best of {len(ended)} trials ({counts(trials)}): trial {best.number}, {settings}.",
            f"Its validation accuracy is {percent(best, images)}, the highest of {len(ended)} on the same "
            f"images{shared}, so it is optimistically biased; {tested}",
        ]
        tracked.text(line + "\n", "best_trial.txt")
        figures["best_trial"] = best.number
        tags["best_run"] = best.attributes[RUN]
    more = [f"Importance: {explained or 'cannot be told from so few accuracies, or from equal ones'}."]
    if told := fates(ended):
        more.append(f"Of the complete trials, {told}.")
        tags[tag.FATE] = told
    repeated = [] if tested is None else [line]
    table = markdown(ended, names, images)
    page = [_link(job, study, tracked), found[0], job.caption, *found[1:], *more, *(f"`{each}`" for each in repeated)]
    tracked.record({**tags, tag.NOTE: "\n\n".join([*page, table])}, metrics=figures)
    # On a screen what matters most comes last.
    return "\n\n".join([table, *more, *(f"To repeat trial {best.number}: {each}" for each in repeated), *found])


def _clear_away(job: SweepJob, trials: list[TrialRecord]) -> None:
    """Remove the checkpoints of trials that were killed: they were run again from their beginning.

    Where the tracking store was gone when a trial was killed, its run is marked now.
    """
    for trial in trials:
        run_id = str(trial.attributes.get(RUN, ""))
        stored = find_run(run_id) if trial.state == State.KILLED and run_id else None
        if stored is not None:
            if (stored.status, stored.tags.get(tag.TRIAL_STATE)) != ("KILLED", State.KILLED):
                mark_killed(run_id)
            for each in (run_id, *(child.run_id for child in children_of(run_id))):
                remove_checkpoints(_runs(job) / each)


def _runs(job: SweepJob) -> Path:
    return Layout(job.data_dir).runs

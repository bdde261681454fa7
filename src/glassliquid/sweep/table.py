"""What a sweep found: the best trial, the table of a page and the table of a file."""

from collections.abc import Sequence

from tabulate import tabulate

from glassliquid.evaluation.fate import Fate, counted, is_at_chance
from glassliquid.evaluation.scores import wilson_interval
from glassliquid.files import csv_text
from glassliquid.sweep.study import ERROR, RETRY_OF, State, TrialRecord
from glassliquid.sweep.trial import FATE, RUN, SECONDS

SHOWN = 10
"""Trials in the printed table; the file has all."""
COLUMNS = ("trial", "state", "val_accuracy", "low", "high", "largest_drop", "best_iteration", FATE)


def ranked(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The complete trials, best first: the highest objective; among equals the one that fell least, then the lowest loss."""

    def rank(trial: TrialRecord) -> tuple[float, float, float, int]:
        found = trial.attributes
        return (-(trial.value or 0.0), float(found["largest_drop"]), float(found["loss"]), trial.number)

    return sorted((trial for trial in trials if trial.state == State.COMPLETE), key=rank)


def interval(trial: TrialRecord, images: int) -> tuple[float, float]:
    """95 % interval of a complete trial's objective: Wilson's of one accuracy on `images` images; of the mean over its seeds, if any."""
    if "low" in trial.attributes:
        return float(trial.attributes["low"]), float(trial.attributes["high"])
    return wilson_interval(round((trial.value or 0.0) * images), images)


def is_best_at_chance(trials: Sequence[TrialRecord], images: int, chance: float) -> bool:
    """Whether the best of the complete trials may have guessed; of several seeds per trial, the interval of its mean decides."""
    best = ranked(trials)[0]
    if "low" in best.attributes:
        return interval(best, images)[0] <= chance
    return is_at_chance(best.value or 0.0, images, chance)


def fates(trials: Sequence[TrialRecord]) -> str:
    """What became of the complete trials, such as `2 stayed, 0 collapsed, 1 never learned`; empty if that was not noted."""
    noted = [trial.attributes[FATE] for trial in ranked(trials) if FATE in trial.attributes]
    return counted(map(Fate, noted)) if noted else ""


def percent(trial: TrialRecord, images: int) -> str:
    """The objective of a complete trial with its interval."""
    value = trial.value or 0.0
    low, high = (100 * bound for bound in interval(trial, images))
    if "low" in trial.attributes:
        return f"{100 * value:.2f} % (95 % interval of the mean {low:.1f} to {high:.1f} %)"
    return f"{100 * value:.2f} % ({round(value * images)} of {images}, 95 % interval {low:.1f} to {high:.1f} %)"


def markdown(trials: Sequence[TrialRecord], names: Sequence[str], images: int) -> str:
    """The best trials, one per line, as a Markdown table whose columns line up in a terminal too."""
    lines = [
        [
            trial.number,
            *(f"{trial.settings[name]:.4g}" for name in names),
            percent(trial, images),
            f"{100 * float(trial.attributes['largest_drop']):.1f} %",
            str(trial.attributes[RUN])[:8],
        ]
        for trial in ranked(trials)[:SHOWN]
    ]
    head = ["trial", *names, "validation accuracy", "largest drop", "run"]
    return tabulate(lines, head, "github", disable_numparse=True)


def counts(trials: Sequence[TrialRecord]) -> str:
    """How many trials ended in which way, such as `17 complete, 3 pruned`."""
    states = [trial.state for trial in trials]
    order = (State.COMPLETE, State.PRUNED, State.FAILED, State.KILLED)
    return ", ".join(f"{states.count(state)} {state.lower()}" for state in order if state in states)


def as_csv(trials: Sequence[TrialRecord], names: Sequence[str], images: int) -> str:
    """Every trial, in the order of the numbers, killed ones included."""
    lines = []
    for trial in trials:
        found = trial.attributes
        low, high = interval(trial, images) if trial.state == State.COMPLETE else ("", "")
        # Of a pruned trial, the best accuracy that it had reached.
        value = found.get("best", "") if trial.value is None else trial.value
        lines.append(
            [
                trial.number,
                trial.state,
                value,
                low,
                high,
                found.get("largest_drop", ""),
                found.get("best_iteration", ""),
                found.get(FATE, ""),
            ]
            + [trial.settings.get(name, "") for name in names]
            + [found.get(name, "") for name in (SECONDS, RUN, RETRY_OF, ERROR)]
        )
    return csv_text([*COLUMNS, *names, SECONDS, RUN, RETRY_OF, ERROR], lines)

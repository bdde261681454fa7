"""What a network of named numbers has learned, kept in the run: of one seed, or of several with intervals."""

from collections.abc import Mapping, Sequence

from glassliquid.evaluation.spread import spread
from glassliquid.files import csv_text
from glassliquid.tracking.run import TrackedRun
from glassliquid.tracking.stored import StoredRun, read_json_artifact

VALUES, TABLE, FIGURE = "evidence.json", "evidence.csv", "evidence.png"


def keep_evidence(tracked: TrackedRun, seeds: Sequence[Mapping[str, float]], caption: str) -> None:
    """Keep table and figure of the evidence of one or several seeds; nothing if the network has none.

    Args:
        tracked: the run.
        seeds: `evidence` of a network, for each seed.
        caption: above the figure.
    """
    if not seeds or not seeds[0]:
        return
    from glassliquid.plots.evidence import evidence_figure  # which takes half a second to import

    if len(seeds) == 1:
        tracked.json(seeds[0], VALUES)
    found = {name: spread([each[name] for each in seeds]) for name in seeds[0]}
    rows = ([name, each.mean, *each.interval, each.lowest, each.highest, each.count] for name, each in found.items())
    tracked.text(csv_text(("name", "mean", "low", "high", "lowest", "highest", "seeds"), rows), TABLE)
    tracked.figure(evidence_figure(found, caption), FIGURE)


def evidence_of(runs: Sequence[StoredRun]) -> list[dict[str, float]]:
    """What finished training runs have kept."""
    return [read_json_artifact(run.run_id, VALUES) for run in runs]

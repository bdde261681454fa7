"""What becomes of the best trial of a sweep: its model is tested and registered."""

from glassliquid.datasets.description import Dataset
from glassliquid.sessions.conclusion import conclude_run
from glassliquid.sessions.training_run import load_training_splits
from glassliquid.sweep.job import SweepJob
from glassliquid.sweep.study import TrialRecord
from glassliquid.sweep.trial import MODEL_RUN, RUN
from glassliquid.tracking import tag
from glassliquid.tracking.run import tracked_run
from glassliquid.tracking.stored import find_run
from glassliquid.upkeep.stale_runs import same_end_time


def register_best_trial(job: SweepJob, best: TrialRecord, parent: str, dataset: Dataset) -> str:
    """Test the best trial's model, unless that was done before, and register it; the end of a sentence about it."""
    run_id = str(best.attributes[MODEL_RUN])
    stored = find_run(run_id)
    if stored is None:
        return f"its run {run_id} is in another tracking store, where its model can be evaluated."
    if tag.LOGGED_MODEL in stored.tags and stored.status == "FINISHED":
        images, accuracy = round(stored.metrics["test_images"]), stored.metrics["test_accuracy"]
        right = f"{100 * accuracy:.2f} % ({round(accuracy * images)} of {images})"
        return f"the test accuracy of its best model is {right}, as found before."
    above = parent if run_id == best.attributes[RUN] else str(best.attributes[RUN])
    training, splits = job.training(job.config), load_training_splits(dataset, job.config.model, job.device)
    with (
        same_end_time(run_id),
        tracked_run(stored.tags["stage"], stored.tags["mlflow.runName"], run_id, above) as tracked,
    ):
        accuracy = float(best.attributes["model_accuracy"])
        concluded = conclude_run(training, tracked, splits, accuracy=accuracy)
        tracked.tags({tag.LOGGED_MODEL: concluded.model_uri})  # last: it says that all of this was done
    return f"the test accuracy of its best model is {concluded.test}. {concluded.registered}"

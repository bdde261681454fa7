"""Past runs made by hand, and a page read back."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from glassliquid.tracking.history import Experiment
from glassliquid.tracking.stored import StoredRun

START = datetime(2017, 11, 26, 9, tzinfo=UTC)
EXPERIMENT = Experiment("7", "results", "http://localhost:5000")
SETTINGS = {
    "model": "compact",
    "batch_size": "50",
    "learning_rate": "0.001",
    "final_learning_rate": "0.0001",
    "schedule": "threshold",
    "eta_threshold": "0.9",
    "l2": "0.01",
    "dropout": "0.4",
    "augment": "True",
    "seed": "3",
    "iterations": "60",
}
RESULTS = {
    "best_val_accuracy": 0.9975,
    "final_val_accuracy": 0.99,
    "largest_drop": 0.0125,
    "best_iteration": 45.0,
    "test_accuracy": 0.99,
    "test_images": 200.0,
    "test_accuracy_low": 0.9643,
    "test_accuracy_high": 0.9973,
}


def past_run(run_id: str, stage: str = "train", hours: float = 0, **changes) -> StoredRun:
    """A finished run on the dataset d, so many hours after the start of the log."""
    tags = {"stage": stage, "dataset": "d", "dataset_digest": "beef", **changes.pop("tags", {})}
    started = START + timedelta(hours=hours)
    values = {
        "name": f"run {run_id}",
        "status": "FINISHED",
        "started": started,
        "seconds": 60.0,
        "tags": tags,
        **changes,
    }
    return StoredRun(run_id=run_id, **values)


def training(run_id: str, hours: float = 0, collapsed: bool = False, **changes) -> StoredRun:
    """A finished training."""
    tags = {"version": "5", "step": "1", "trial": "2", "collapsed": str(collapsed).lower(), **changes.pop("tags", {})}
    values = {"params": SETTINGS, "metrics": RESULTS, **changes}
    return past_run(run_id, "train", hours, tags=tags, **values)


class Page(HTMLParser):
    """The parts of a page that a test asks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.svg: list[str] = []
        self.handlers: list[str] = []
        self.pieces: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        if "svg" in self.open:
            self.svg.append(tag)
        self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name == "href":
                self.links.append(value)
            elif name == "src":
                self.sources.append(value)
            elif name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.pieces.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, with single spaces."""
        return " ".join(" ".join(self.pieces).split())

"""report through its command line, over runs in a real tracking database."""

from datetime import datetime
from pathlib import Path

import pytest

from tests.commands.conftest import Command
from tests.commands.test_bad_input import assert_one_sentence
from tests.report.runs import RESULTS, SETTINGS, Page

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def client(tracking_uri: str):
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.MlflowClient()


@pytest.fixture(scope="module")
def experiment(client) -> str:
    """Two finished training runs on two days, one that was killed, and one without anything."""
    from mlflow.entities import Metric, Param

    experiment_id = client.create_experiment("the log")
    start = round(datetime(2018, 1, 19, 12).astimezone().timestamp() * 1000)
    for place, name in enumerate(("first", "second", "killed", "empty")):
        tags = {"stage": "train", "dataset": "data_liquid5", "dataset_digest": "beef", "mlflow.runName": name}
        run_id = client.create_run(experiment_id, start + place * DAY_MS, tags).info.run_id
        if name != "empty":
            points = [Metric("val_accuracy", 0.5 + 0.1 * step, start, step) for step in range(1, 5)]
            finals = [Metric(key, value, start, 0) for key, value in RESULTS.items()] if name != "killed" else []
            params = [Param(key, value) for key, value in SETTINGS.items()]
            client.log_batch(run_id, metrics=[*points, *finals], params=params)
        client.set_terminated(run_id, "FINISHED" if name != "killed" else "KILLED")
    client.create_experiment("nothing yet")
    return "the log"


def test_the_report_tells_of_every_run(command: Command, client, experiment: str, tmp_path: Path):
    output = tmp_path / "sub" / "log.html"
    done = command("report", experiment=experiment, output=output)
    assert done.returncode == 0, done.stderr
    assert "4 runs" in done.stdout
    page = Page(output.read_text(encoding="utf-8"))
    headings = [name for name in page.ids if name.startswith("day-")]
    assert headings == ["day-2018-01-19", "day-2018-01-20", "day-2018-01-21", "day-2018-01-22"]
    assert page.text.count("test 99.00 % (198 of 200, 95 % interval 96.4 to 99.7 %)") >= 2
    assert page.text.count("batch size 50") == 3
    assert "There is no curve of the validation accuracy" in page.text
    assert len([tag for tag in page.svg if tag == "polyline"]) == 3
    # The run of the report keeps it too.
    found = client.search_runs(["0"], "tags.stage = 'report'", max_results=1, order_by=["attributes.start_time DESC"])[
        0
    ]
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["log.html"]


def test_since_leaves_earlier_runs_out(quick_report, experiment: str, tmp_path: Path):
    page = quick_report(experiment=experiment, since="2018-01-21", output=tmp_path / "log.html")
    assert [name for name in page.ids if name.startswith("day-")] == ["day-2018-01-21", "day-2018-01-22"]
    assert "only runs since 2018-01-21 00:00" in page.text


def test_an_experiment_can_be_named_by_its_id(quick_report, client, experiment: str, tmp_path: Path):
    number = client.get_experiment_by_name(experiment).experiment_id
    assert "Results log: the log" in quick_report(experiment=number, output=tmp_path / "log.html").text


@pytest.fixture
def quick_report(tracking_uri: str, monkeypatch: pytest.MonkeyPatch):
    """Runs the command in this process and reads its page."""
    from entrypoints import report

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)

    def run(**options: object) -> Page:
        arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        report.main.main(arguments, standalone_mode=False)
        return Page(Path(str(options["output"])).read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experiment": "no such"}, "no experiment 'no such' .there: .*the log.*auto"),
        ({"experiment": "nothing yet"}, "'nothing yet' has no runs to report: train first"),
        ({"experiment": "the log", "since": "2019-01-01"}, "'the log' has no runs to report since 2019-01-01"),
        ({"since": "yesterday"}, "since is 'yesterday': pass none, a date such as 2026-01-31"),
        ({"output": "/"}, "output is '/', which is a folder"),
        ({"output": "/dev/null"}, "output is '/dev/null', which is not a regular file"),
        ({"experiment": "the log", "output": "/dev/null/log.html"}, "a file is where a folder should be"),
    ],
)
def test_a_wrong_value_ends_in_one_sentence(quick_command: Command, experiment: str, tmp_path: Path, options, message):
    kept = tmp_path / "kept.html"
    kept.write_text("an earlier report")
    assert_one_sentence(quick_command("report", **{"output": kept, **options}), message)
    assert kept.read_text() == "an earlier report"

"""A folder with MLflow's database that is moved or copied, and surroundings in which MLflow opens no run."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.utils.file_utils import path_to_local_sqlite_uri

from glassliquid.errors import UserError
from glassliquid.tracking.run import tracked_run


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = mlflow.get_tracking_uri()
    for name in ("RUN_ID", "EXPERIMENT_ID", "EXPERIMENT_NAME", "TRACKING_URI"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    yield
    mlflow.set_tracking_uri(before)


def run_in(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A command that keeps an artifact, as it is started in a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with tracked_run("test", name) as tracked:
        tracked.text(name, f"{name}.txt")
    return tracked.run_id


def read(run_id: str, name: str) -> str:
    return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=f"{name}.txt")).read_text()


def test_artifacts_are_found_where_they_were_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    first.mkdir()
    before = run_in(first, "before", monkeypatch)
    experiment = mlflow.MlflowClient().create_experiment("named")
    assert "moved" not in capfd.readouterr().err

    monkeypatch.chdir(tmp_path)
    first.rename(second)
    after = run_in(second, "after", monkeypatch)
    assert f"its artifacts, until now looked for in {first}/mlruns, are now looked for in {second}/mlruns." in (
        capfd.readouterr().err
    )
    assert (read(before, "before"), read(after, "after")) == ("before", "after")
    assert not first.exists()
    assert mlflow.MlflowClient().get_experiment(experiment).artifact_location.startswith(f"{second}/mlruns/")

    shutil.copytree(second, third)
    copied = run_in(third, "copied", monkeypatch)
    assert "was moved or copied" in capfd.readouterr().err
    assert mlflow.MlflowClient().get_run(before).info.artifact_uri.startswith(str(third))
    assert not (second / "mlruns" / "0" / copied).exists()
    run_in(second, "original", monkeypatch)
    assert "moved" not in capfd.readouterr().err
    assert mlflow.MlflowClient().get_run(before).info.artifact_uri.startswith(str(second))


def test_artifacts_elsewhere_on_purpose_stay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd):
    """In a folder of another name, or in one `mlruns` that is still where it was while nothing of it is here."""
    run_in(tmp_path, "first", monkeypatch)
    for place in (tmp_path / "store", tmp_path / "else" / "mlruns"):
        place.mkdir(parents=True)
        mlflow.MlflowClient().create_experiment(place.parent.name + place.name, artifact_location=str(place / "own"))
    run_in(tmp_path, "second", monkeypatch)
    assert "moved" not in capfd.readouterr().err
    found = {each.artifact_location for each in mlflow.MlflowClient().search_experiments()}
    assert found == {f"{tmp_path}/mlruns/0", f"{tmp_path}/store/own", f"{tmp_path}/else/mlruns/own"}


def test_a_database_that_was_moved_without_its_artifacts_does_not_make_the_old_folder_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    run_in(first, "before", monkeypatch)
    with mlflow.start_run():
        model_id = mlflow.initialize_logged_model("model").model_id
    lost = Path(mlflow.get_logged_model(model_id).artifact_location)
    lost.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    first.rename(second)
    (second / "mlruns").rename(tmp_path / "left behind")

    after = run_in(second, "after", monkeypatch)
    said = capfd.readouterr().err
    assert f"are now looked for in {second}/mlruns. None of its models is there: move the folder mlruns too." in said
    assert read(after, "after") == "after"
    assert not first.exists()
    run_in(second, "again", monkeypatch)
    assert "moved" not in capfd.readouterr().err


def test_a_folder_whose_name_has_a_meaning_in_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd):
    """`mlflow run` hands the address on encoded, and SQLAlchemy decodes what it is given."""
    before, folder = tmp_path / "before", tmp_path / "it's a_b"
    before.mkdir()
    run_id = run_in(before, "first", monkeypatch)
    monkeypatch.chdir(tmp_path)
    before.rename(folder)
    run_in(folder, "second", monkeypatch)
    assert read(run_id, "first") == "first"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", path_to_local_sqlite_uri("mlflow.db"))
    with tracked_run("test", "third"):
        pass
    assert len(mlflow.search_runs(["0"])) == 3
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlruns"}


@pytest.mark.parametrize(
    ("variable", "value"), [("EXPERIMENT_ID", "77"), ("EXPERIMENT_NAME", ""), ("RUN_ID", "0" * 32), ("RUN_ID", "mine")]
)
def test_what_the_surroundings_ask_for_and_is_not_there_is_named(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run_in(tmp_path, "first", monkeypatch)
    monkeypatch.setenv(f"MLFLOW_{variable}", value)
    with (
        pytest.raises(UserError, match=f"MLFLOW_{variable} is '{value}': correct that or unset it") as ended,
        tracked_run("t", "x"),
    ):
        pass
    assert str(ended.value).startswith("MLflow cannot open a run (")


def test_a_deleted_experiment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_in(tmp_path, "first", monkeypatch)
    mlflow.MlflowClient().delete_experiment("0")
    with pytest.raises(
        UserError, match=r"deleted\); restore its experiment, for example with `mlflow experiments restore"
    ):
        run_in(tmp_path, "second", monkeypatch)


@pytest.mark.parametrize("address", ["file:///tmp/some/mlruns", "some/mlruns"])
def test_a_folder_of_files_is_refused_with_the_remedy(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with (
        pytest.raises(UserError, match=r"cannot be used \(a folder of files\): .*`mlflow migrate-filestore`"),
        tracked_run("t", "x"),
    ):
        pass

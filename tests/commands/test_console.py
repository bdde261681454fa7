"""The console command `glassliquid`: what `mlflow run` does, and parameters in a file."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from entrypoints import shell
from entrypoints.console import console, entry_points, parameters_of
from glassliquid.datasets.description import Dataset
from glassliquid.tracking.given_run import LAUNCH_VARIABLE
from tests.commands.conftest import Command, run_of
from tests.commands.test_bad_input import assert_one_sentence

Typed = Callable[..., subprocess.CompletedProcess[str]]
SETTINGS = {"batch_size": 14, "iterations": 2, "batches_per_iteration": 2, "eval_every": 1, "learning_rate": 0.0005}
NOT_COMPARED = {"mlflow.runName", "mlflow.log-model.history", "process", "alive_at", "mlflow.loggedArtifacts"}
"""Tags that differ from run to run."""


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip makes of the project's script."""
    path = tmp_path_factory.mktemp("bin") / "glassliquid"
    path.write_text(f"#!{sys.executable}\nfrom glassliquid.console import main\nmain()\n")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def glassliquid(script: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """Runs the console command in a folder that has nothing to do with the project."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(script), *map(str, words)],
            cwd=elsewhere,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def typed(tracking_uri: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typed:
    """The same in this process: for what ends early."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["glassliquid", *map(str, words)])
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        # What the command leaves there for its run is gone after the test: other tests start processes.
        monkeypatch.setenv(LAUNCH_VARIABLE, "")
        monkeypatch.delenv(LAUNCH_VARIABLE)
        monkeypatch.setattr(shell, "interrupt_on_terminate", lambda: None)
        try:
            shell.run(console)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(list(words), code, out, err)

    return run


@pytest.mark.parametrize(
    "entry_point", [each for each in entry_points() if "name" in {other.name for other in parameters_of(each)}]
)
def test_an_entry_point_may_have_a_parameter_called_name(typed: Typed, entry_point: str):
    """The console command has arguments of its own beside those of the entry point."""
    assert_one_sentence(typed(entry_point, "--name", "../elsewhere"), "name is '../elsewhere")


def test_help_lists_every_entry_point_with_a_line_in_half_a_second(glassliquid: Typed):
    times = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = glassliquid("--help", COLUMNS="160")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert done.returncode == 0, done.stderr
    for name in entry_points():
        assert any(line.startswith(f"  {name} ") and len(line.split()) > 3 for line in done.stdout.splitlines()), name
    assert min(times) < 0.5


def test_the_shell_completes_commands_options_and_choices(glassliquid: Typed):
    def completions(line: str) -> list[str]:
        words = line.split(" ")
        variables = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_GLASSLIQUID_COMPLETE": "bash_complete"}
        return [each.partition(",")[2] for each in glassliquid(**variables).stdout.split()]

    assert completions("glassliquid tra") == [name for name in entry_points() if name.startswith("tra")]
    assert "--batch-size" in completions("glassliquid train --batch")
    assert completions("glassliquid train --model c") == ["cnn2018", "compact"]
    assert completions("glassliquid train --config run") == ["run"]  # with the type: bash looks for files itself
    assert "complete -o nosort" in glassliquid(_GLASSLIQUID_COMPLETE="bash_source").stdout


@pytest.fixture(scope="module")
def first(mlflow_run: Command, own_dir: Path, client: MlflowClient) -> Run:
    return run_of(mlflow_run("train", data_dir=own_dir, register_as="none", **SETTINGS), client)


def test_a_run_from_the_file_of_another_is_the_same_run_again(
    glassliquid: Typed, first: Run, client: MlflowClient, own_dir: Path, tmp_path: Path
):
    """Weights, parameters and tags; one parameter is overridden on the command line."""
    file = tmp_path / "run.yaml"
    done = glassliquid("config", first.info.run_id, "--output", file)
    assert done.returncode == 0, done.stderr
    written = yaml.safe_load(file.read_text())
    assert written["entry_point"] == "train"
    assert {name: written[name] for name in SETTINGS} == SETTINGS
    assert written["augment"] is True
    assert written["data_dir"] == str(own_dir)

    done = glassliquid("train", "--config", file, "--version", "console")
    assert done.returncode == 0, done.stderr
    (second,) = client.search_runs(["0"], "tags.version = 'console'")
    assert second.data.params == {**first.data.params, "version": "console"}
    assert second.data.metrics["loss"] == first.data.metrics["loss"]
    expected = {name: value for name, value in first.data.tags.items() if name not in NOT_COMPARED}
    same = {name: second.data.tags.get(name) for name in expected}
    # The caption of the description begins with the version.
    assert {**same, "mlflow.note.content": ""} == {**expected, "mlflow.note.content": ""}
    assert second.data.tags["mlflow.project.entryPoint"] == "train"


def test_the_file_of_a_run_goes_to_the_screen(typed: Typed, first: Run):
    done = typed("config", first.info.run_id)
    assert yaml.safe_load(done.stdout)["learning_rate"] == 0.0005
    assert first.info.run_id in done.stdout.splitlines()[0]


WRONG = [
    ("batchsize: 50", "has 'batchsize', which is not a parameter of train (did you mean 'batch_size'?)"),
    ("trials: 50", "has 'trials', which is not a parameter of train, but of sweep (did you mean 'trial'?): correct it"),
    ("zzzz: 50", "has 'zzzz', which is not a parameter of train: correct it"),
    ("entry_point: sweep\ntrials: 3", "is for the entry point sweep, not for train"),
    ("batch_size: many", "batch_size is 'many': pass a whole number"),
    ("batch_size: true", "batch_size is 'true': pass a whole number"),
    ("batch_size: 1.5", "batch_size is '1.5': pass a whole number"),
    ("batch_size: 0", "batch_size is 0"),
    ("batch_size:", "has nothing as batch_size: write one value, such as 80, or leave it out"),
    ("batch_size: {a: 1}", "has a table as batch_size: write one value, such as 80, or"),
    ("batch_size: [[1]]", "has no single value as batch_size"),
    ("batch_size: 5\nbatch_size: 6", "has 'batch_size' twice"),
    ("augment: 1", "augment is '1': pass true or false"),
    ("model: compct", "model is 'compct', which is not known (did you mean 'compact'?)"),
    ("- 1", "is not a table of parameters"),
    ("", "is not a table of parameters"),
    ("a: [", "cannot be read"),
    ("a: !!python/object/apply:os.system ['touch pwned']", "cannot be read"),
    ("[" * 5000, "cannot be read"),
    ("a: &a [x]\nb: &b [*a, *a]\nbatch_size: [*b, *b]", "has 'a', which is not a parameter"),
    ("name: \x00", "cannot be read"),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG)
def test_a_bad_file_ends_in_a_sentence(typed: Typed, tmp_path: Path, content: str, sentence: str, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(content)
    done = typed("train", "--config", "run.yaml")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert sentence in line
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]


def test_other_things_in_the_place_of_a_file_are_refused(typed: Typed, tmp_path: Path):
    for name, sentence in (
        ("missing.yaml", "There is no config file"),
        (".", "is not a regular file: pass the path of a YAML file"),
        ("/dev/zero", "is not a regular file"),
    ):
        done = typed("train", "--config", tmp_path / name)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert sentence in done.stderr


def test_wrong_words_are_answered_with_the_nearest_right_one(typed: Typed, dataset: Dataset):
    done = typed("traim")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "Error: There is no command 'traim' (did you mean 'train'?): choose one of config, evaluate, "
    )
    done = typed("train", "--batchsize", "5")
    assert (
        "There is no parameter 'batchsize' (did you mean 'batch_size'?): see --help for the parameters of train."
        in done.stderr
    )
    done = typed("config", "0" * 32)
    assert "There is no run" in done.stderr


def test_hints_are_written_as_the_user_types(typed: Typed, dataset: Dataset, data_dir: Path):
    done = typed("train", "--dataset", "data_liquid7", "--data-dir", data_dir)
    assert "(did you mean 'data_liquid5'?)" in done.stderr
    assert f"glassliquid make_data --name data_liquid7 --data-dir {data_dir} and" in done.stderr


def test_a_step_of_a_chain_writes_its_hints_as_the_user_typed_the_chain(
    glassliquid: Typed, dataset: Dataset, data_dir: Path
):
    done = glassliquid("main", "--name", dataset.name, "--glass", "190", "--data-dir", data_dir)
    assert done.returncode == 2
    assert "choose another name with --name NAME, or" in done.stderr
    assert "-P " not in done.stderr

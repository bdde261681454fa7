"""docs/ARCHITECTURE.md: its tree is the tree, its files exist, and what it says one may add can be added."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^`([^`\n]+)`([^\n]*):\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    found = re.search(rf"^### {title}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no section {title!r}"
    return found[1]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what a command needs."""
    for name in ("src", "entrypoints", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("MLproject", "conda.yaml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def add(title: str, sources: Path) -> None:
    """Do what the section says: write its new files, and add to those that are there, at their end or below a field."""
    examples = EXAMPLE.findall(section(title))
    assert examples, f"the section {title!r} has no example"
    for name, where, text in examples:
        path = sources / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if field := re.search(r"below `(\w+)`", where):
            declared = re.search(rf"^    {field[1]}: .*\n    \"\"\".*\"\"\"\n", before, re.MULTILINE)
            assert declared, f"{name} has no field {field[1]}"
            path.write_text(before[: declared.end()] + text + before[declared.end() :], encoding="utf-8")
        else:
            path.write_text(f"{before}\n\n{text}" if before else text, encoding="utf-8")


def python(sources: Path, *arguments: str) -> str:
    """What Python prints in the folder of the sources."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "PYTHONPATH": "src", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=sources,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_package_stands_in_the_tree_and_nothing_else():
    tree = PAGE.split("```")[1]
    named = set(re.findall(r"^  (\w+)/ ", tree, re.MULTILINE))
    assert named == {path.parent.name for path in (ROOT / "src" / "glassliquid").glob("*/__init__.py")}
    for name in re.findall(r"\b[\w/]+\.(?:py|html)\b", tree):
        assert list(ROOT.rglob(f"src/**/{name}")) or list(ROOT.glob(f"entrypoints/{name}")), name


def test_every_file_and_name_of_the_page_exists():
    prose = EXAMPLE.sub("", PAGE)
    for name in re.findall(r"`((?:src|entrypoints|tests|docs|benchmarks|tools)/[\w./]+)`", prose):
        assert (ROOT / name).exists(), name
    cells = re.findall(r"\| (?:\d+\. )?`((?:src|entrypoints)/[\w./]+)`, ([^|]*`\w+`[^|]*) \|", PAGE)
    assert len(cells) > 15
    for path, names in cells:
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"\b{name}\b", text), f"{path} has no {name}"


def test_a_network_is_a_new_file(sources: Path):
    add("A network", sources)
    code = (
        "import torch; from glassliquid.models.network import build_model; from glassliquid.inputs.images import Images\n"
        "from glassliquid.training.config import TrainConfig; TrainConfig(model='linear')\n"
        "network = build_model('linear', Images(16), 0.0, torch.Generator().manual_seed(1))\n"
        "images = torch.zeros(5, 16, 16, 3, dtype=torch.uint8)\n"
        "batch = network.reads.augmented(images, torch.arange(4), torch.Generator(), torch.device('cpu'))\n"
        "print(tuple(network(batch).shape))"
    )
    assert python(sources, "-c", code).strip() == "(4, 2)"


def test_an_input_is_a_new_file(sources: Path):
    add("An input", sources)
    add("A network", sources)
    network = sources / "src/glassliquid/models/networks/linear.py"
    text = network.read_text().replace('input = "images"', 'input = "colours"')
    network.write_text(text.replace("scaled(batch, self.dtype).mean(dim=(2, 3))", "batch"))
    code = (
        "import numpy as np, torch; from glassliquid.inputs import INPUTS, described_input\n"
        "from glassliquid.models.network import build_model\n"
        "reads = INPUTS.get('colours')(16)\n"
        "print(described_input({'input': 'colours', **reads.description()}) == reads)\n"
        "values = reads.stacked([np.full((16, 16, 3), value, np.uint8) for value in (0, 255)])\n"
        "batch = reads.batch(values, torch.tensor([1, 0, 1]), torch.device('cpu'))\n"
        "print(*batch[:, 2].tolist())\n"
        "network = build_model('linear', reads, 0.0, torch.Generator().manual_seed(1))\n"
        "print(tuple(network(batch).shape), tuple(network(reads.served(torch.from_numpy(reads.example()))).shape))"
    )
    assert python(sources, "-c", code).splitlines() == ["True", "1.0 0.0 1.0", "(3, 2) (2, 2)"]


def test_a_schedule_is_a_function(sources: Path):
    add("A learning-rate schedule", sources)
    code = (
        "from glassliquid.training.config import TrainConfig; from glassliquid.training.schedule import SCHEDULES, Moment\n"
        "config = TrainConfig(schedule='cosine', iterations=10, learning_rate=3.0, final_learning_rate=1.0)\n"
        "print(*(round(SCHEDULES.get('cosine')(Moment(config, t, None, 100)), 6) for t in (0, 5, 10, 20)))"
    )
    assert python(sources, "-c", code).split() == ["3.0", "2.0", "1.0", "1.0"]


def test_a_setting_is_a_field(sources: Path):
    """One edit, and it is in the options, in MLproject, in the check and in what is stored; older stored forms get its default."""
    add("A setting", sources)
    code = (
        "from glassliquid.settings import restored, stored; from glassliquid.training.config import TrainConfig\n"
        "old = stored(TrainConfig()); del old['label_smoothing']\n"
        "print(restored(TrainConfig, old, 'x').label_smoothing, stored(TrainConfig(label_smoothing=0.1))['label_smoothing'])"
    )
    assert python(sources, "-c", code).split() == ["0.0", "0.1"]
    shown = python(sources, "-m", "entrypoints.train", "--help")
    assert "--label-smoothing, --label_smoothing NUMBER" in shown
    assert "Share of each label" in shown
    with pytest.raises(AssertionError, match=r"label_smoothing is 0\.7, outside the allowed range 0 to 0\.5"):
        python(sources, "-m", "entrypoints.train", "--label-smoothing", "0.7")
    with pytest.raises(AssertionError, match="MLproject is not what the entry points' settings say"):
        python(sources, "tools/mlproject.py", "--check")
    python(sources, "tools/mlproject.py")
    entry_points = yaml.safe_load((sources / "MLproject").read_text(encoding="utf-8"))["entry_points"]
    for name in ("train", "sweep"):
        assert entry_points[name]["parameters"]["label_smoothing"] == {"type": "float", "default": 0.0}
        assert "--label-smoothing {label_smoothing}" in entry_points[name]["command"]


def test_a_file_format_is_a_new_file(sources: Path):
    add("A file format", sources)
    rows = [f"{step},10.0,{kind},{x},{step / 10}" for step in (0, 5) for kind, x in (("B", 1.5), ("A", -2), ("A", 3))]
    (sources / "one.csv").write_text("\n".join(["step,side,type,x,y", *rows]) + "\n")
    code = (
        "from pathlib import Path; from glassliquid.trajectories.readers import READERS, read_frames\n"
        "(frame,) = read_frames([Path('one.csv')], lambda step: step == 5)\n"
        "print(*READERS, frame.step, frame.length, *frame.types, *frame.positions.ravel())"
    )
    *names, step, length, a, b, c = python(sources, "-c", code).split()[:-6]
    assert "csv" in names
    assert (step, length, a, b, c) == ("5", "10.0", "0", "0", "1")
    assert python(sources, "-c", code).split()[-6:] == ["-2.0", "0.5", "3.0", "0.5", "1.5", "0.5"]


@pytest.mark.slow
def test_a_new_setting_is_in_the_run_and_the_checkpoint(sources: Path):
    add("A setting", sources)
    shutil.copytree(ROOT / "tests" / "released" / "v0.1" / "datasets", sources / "data" / "datasets")
    options = ("--label-smoothing", "0.1", "--batch-size", "8", "--iterations", "1", "--register-as", "none")
    python(sources, "-m", "entrypoints.train", *options)
    (kept,) = (sources / "mlruns").rglob("config.json")
    assert json.loads(kept.read_text())["config"]["label_smoothing"] == 0.1
    (checkpoint,) = (sources / "mlruns").rglob("current.*")
    code = (
        "import sys; from pathlib import Path; from glassliquid.training.checkpoint import load_checkpoint\n"
        "print(load_checkpoint(Path(sys.argv[1])).config.label_smoothing)"
    )
    assert python(sources, "-c", code, str(checkpoint)).strip() == "0.1"


def test_a_sampler_is_a_function(sources: Path):
    add("A sampler", sources)
    code = (
        "import optuna; from glassliquid.sweep.algorithms import SAMPLERS; from glassliquid.sweep.job import SweepJob\n"
        "SweepJob(sampler='genetic'); optuna.logging.disable_default_handler()\n"
        "study = optuna.create_study(sampler=SAMPLERS.get('genetic')(None, 1, 0))\n"
        "study.optimize(lambda trial: trial.suggest_float('x', 0, 1), n_trials=3)\n"
        "print(len({trial.params['x'] for trial in study.trials}))"
    )
    assert python(sources, "-c", code).strip() == "3"


def test_an_engine_is_a_new_file(sources: Path):
    add("An engine", sources)
    code = (
        "from glassliquid.physics.engines import ENGINES, best_engine, engine_of_this_process\n"
        "print(*ENGINES, best_engine(), engine_of_this_process('slow').name)"
    )
    names = python(sources, "-c", code).split()
    assert "slow" in names[:-2]
    assert names[-2] != "slow"
    assert names[-1] == "slow"


def test_an_entry_point_is_settings_a_function_a_command_and_its_lines_in_mlproject(sources: Path):
    add("An entry point", sources)
    for name in ("one", "two"):
        (sources / "data" / "datasets" / name).mkdir(parents=True)
        (sources / "data" / "datasets" / name / "dataset.json").touch()
    assert python(sources, "-m", "entrypoints.datasets").split() == ["one", "two"]
    assert python(sources, "-m", "entrypoints.datasets", "--contains", "w").split() == ["two"]
    python(sources, "tools/mlproject.py")
    entry_points = yaml.safe_load((sources / "MLproject").read_text(encoding="utf-8"))["entry_points"]
    parameters = {name: value["default"] for name, value in entry_points["datasets"]["parameters"].items()}
    assert parameters == {"contains": "any", "data_dir": "data"}
    assert entry_points["datasets"]["command"].endswith("--contains {contains} --data-dir {data_dir}")


@pytest.mark.slow
def test_mlflow_runs_the_new_entry_point(sources: Path):
    add("An entry point", sources)
    (sources / "data" / "datasets" / "one").mkdir(parents=True)
    (sources / "data" / "datasets" / "one" / "dataset.json").touch()
    python(sources, "tools/mlproject.py")
    python(sources, "-m", "mlflow", "run", ".", "-e", "datasets", "--env-manager", "local", "-P", "contains=n")

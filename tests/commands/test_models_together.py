"""Image, graph and structure models under one transfer test, through the real command lines."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from glassliquid.evaluation.comparison import LINEAR
from tests.commands.conftest import Command

pytestmark = pytest.mark.slow

SETTINGS = {"batch_size": 14, "iterations": 10, "batches_per_iteration": 4}
NAMES = {model: f"together-{model}" for model in ("compact", "graph", "structure")}


@pytest.fixture(scope="module")
def addresses(command: Command, own_data: Path) -> dict[str, str]:
    """A registered model of each network, trained on the same data. By version: one at chance on six images has no alias."""
    for model, name in NAMES.items():
        done = command("train", model=model, data_dir=own_data, register_as=name, **SETTINGS)
        assert done.returncode == 0, done.stderr
    return {model: f"models:/{name}/1" for model, name in NAMES.items()}


def tried(command: Command, client: MlflowClient, data: Path, models: list[str]) -> tuple[list[str], set[str]]:
    """The head of the table that the parent run shows, and the names of its artifacts."""
    done = command("transfer_eval", model=",".join(models), liquids="5,100", find_breakdown="false", data_dir=data)
    assert done.returncode == 0, done.stderr
    finished = "tags.stage = 'transfer_eval' AND attributes.status = 'FINISHED'"
    parent = next(run for run in client.search_runs(["0"], finished) if "mlflow.parentRunId" not in run.data.tags)
    text = parent.data.tags["mlflow.note.content"]
    table = text[text.index("| data") :]
    assert table in done.stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert [row[:2] for row in rows[2:]] == [["liquid 5", "1.95"], ["liquid 100", "1.02"]]
    assert all(" of 12; " in cell for row in rows[2:] for cell in row[2:])
    return rows[0][2:], {each.path for each in client.list_artifacts(parent.info.run_id)}


def test_three_networks_stand_in_one_figure_and_one_table(
    addresses: dict[str, str], command: Command, client: MlflowClient, own_data: Path
):
    head, artifacts = tried(command, client, own_data, list(addresses.values()))
    # structure is there itself, so the line is not drawn a second time.
    assert head == [f"{NAMES[model]} v1 ({model}, data_liquid5)" for model in addresses]
    assert {"matrix.png", "transfer.png", "transfer.csv"} <= artifacts


def test_the_physicists_line_is_the_last_of_them(
    addresses: dict[str, str], command: Command, client: MlflowClient, own_data: Path
):
    head, _ = tried(command, client, own_data, [addresses["compact"], addresses["graph"]])
    assert head[-1] == f"{LINEAR} (structure, data_liquid5)"
    assert len(head) == 3

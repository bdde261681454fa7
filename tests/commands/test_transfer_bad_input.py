"""What evaluate and transfer_eval cannot use ends in one sentence that says what it is and what there is instead."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from glassliquid.datasets.build import make_dataset
from glassliquid.datasets.description import Recipe
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import LocalPool
from tests.commands.conftest import TRANSFER_NAME as NAME
from tests.commands.conftest import Command
from tests.commands.test_bad_input import assert_one_sentence
from tests.conftest import ignore_progress

LIQUIDS = "5,60,195"


def kept_rows(folder: Path, keep: Callable[[str], bool]) -> None:
    """Remove images from a dataset's table."""
    head, *rows = (folder / "metadata.csv").read_text().splitlines(keepends=True)
    (folder / "metadata.csv").write_text(head + "".join(row for row in rows if keep(row)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": f"models:/{NAME}@nobody"}, f"{NAME} has the versions 1 and the aliases data_liquid5"),
        ({"model": f"models:/{NAME}/99"}, f"no model 'models:/{NAME}/99' .*versions 1 and the aliases data_liquid5"),
        ({"model": "models:/nothing/1"}, f"registered models: .*{NAME}"),
        ({"model": f"models:/{NAME}"}, "no model"),
        ({"liquids": "5,62"}, "liquids is 62, which the ensemble 'small' does not store .nearest: 0, 5, 60, 100"),
        ({"glass": 199}, "glass is 199, which the ensemble 'small' does not store .nearest: .*195, 200"),
        ({"ensemble": "large"}, "no ensemble 'large' .*there: small"),
        ({"datasets": "data_nothing"}, "no dataset 'data_nothing' .*there: .*data_liquid5"),
        ({"glass": 5, "liquids": "0,1"}, "liquids is 1, which the ensemble 'small' does not store"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    trained_well, quick_command: Command, own_data: Path, options, message
):
    given = {"model": f"models:/{NAME}/1", "liquids": LIQUIDS, "data_dir": own_data, **options}
    assert_one_sentence(quick_command("transfer_eval", **given), message)


@pytest.mark.parametrize("entry_point", ["evaluate", "transfer_eval"])
@pytest.mark.parametrize("fault", ["size", "seen", "empty", "no rows", "grey", "truncated", "missing"])
def test_data_that_cannot_be_used_are_named(
    trained_well,
    quick_command: Command,
    own_data: Path,
    ensemble: Ensemble,
    recipe: Recipe,
    pool: LocalPool,
    fault,
    entry_point,
):
    name = f"data_{fault.replace(' ', '_')}_{entry_point}"
    folder = own_data / "datasets" / name
    if fault == "empty":
        folder.mkdir()
    else:
        make_dataset(folder, ensemble, replace(recipe, image_size=32 if fault == "size" else 64), pool, ignore_progress)
    image = next((folder / "test" / "glass").iterdir()) if fault != "empty" else folder
    if fault == "seen":
        kept_rows(folder, lambda row: row.startswith("train/"))
    elif fault == "no rows":
        kept_rows(folder, lambda row: False)
    elif fault == "grey":
        Image.open(image).convert("L").save(image)
    elif fault == "truncated":
        image.write_bytes(image.read_bytes()[:100])
    elif fault == "missing":
        image.unlink()
    message = {
        "size": "cannot be used on data_.*reads images of 64 pixels, but these have 32; make the dataset with -P image_size=64",
        "seen": f"All simulations of the dataset {name} are in the training split of {NAME} v1",
        "empty": "dataset.json",
        "no rows": "metadata.csv is empty",
        "grey": rf"{image.name} cannot be used \(it is \(64, 64\) L, not \(64, 64\) RGB\)",
        "truncated": f"{image.name} cannot be used",
        "missing": f"{image.name} cannot be used .it is missing",
    }[fault]
    where = {"dataset": name} if entry_point == "evaluate" else {"datasets": f"data_liquid5,{name}"}
    done = quick_command(entry_point, model=f"models:/{NAME}/1", data_dir=own_data, **where)
    assert_one_sentence(done, message)


def test_a_damaged_or_missing_trajectory_is_named(
    trained_well, quick_command: Command, own_data: Path, ensemble: Ensemble
):
    folder = own_data / "ensembles" / "small"
    held_out = next(each for each in ensemble.simulations if each.split is Split.TEST)
    path, given = folder / held_out.file_name, {"model": f"models:/{NAME}/1", "liquids": LIQUIDS, "data_dir": own_data}
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:1000])
        assert_one_sentence(quick_command("transfer_eval", **given), f"{held_out.file_name} is damaged .*make_data")
        path.unlink()
        assert_one_sentence(quick_command("transfer_eval", **given), f"{held_out.file_name} is missing: run make_data")
    finally:
        path.write_bytes(whole)

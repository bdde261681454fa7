"""dataset.json, metadata.csv and ensemble.json that somebody else has written."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.datasets.description import Dataset, open_dataset
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.inputs.images.decoded import load_split
from glassliquid.layout import Layout
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import TEXTS, as_json, mutated_bytes, mutated_json, mutated_value, texts

MOST_MIB = 64
"""The data are a few hundred kilobytes; a JSON file of its own is never larger than a megabyte here."""


def use_dataset(folder: Path, original: Dataset) -> None:
    """Read all of it; what is accepted has the images, labels and splits that it was made with."""
    found = open_dataset(folder)
    for split in Split:
        loaded = load_split(found, split)
        assert loaded.values.shape == (len(loaded), 64, 64, 3)
        assert loaded.values.dtype == np.uint8
        assert set(loaded.labels.tolist()) <= {0, 1}
    assert found.records == original.records
    assert found.digest == original.digest
    assert found.recipe.image_size == 64
    assert 0 <= found.recipe.liquid <= 200


@given(data=st.data())
@inputs(quick=120, long=1500)
def test_a_description_of_a_dataset(placed: Sandbox, dataset: Dataset, data: st.DataObject):
    folder = placed.data / "datasets" / dataset.name
    content = data.draw(mutated_json(json.loads(dataset.description_path.read_bytes())))
    restored(folder / "dataset.json", content)
    try:
        placed.attempt("dataset.json", lambda: use_dataset(folder, dataset), MOST_MIB)
    finally:
        restored(folder / "dataset.json", dataset.description_path.read_bytes())


def rows_as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


@st.composite
def mutated_table(draw, original: bytes) -> bytes:
    """A table with other cells, rows that are doubled, dropped or moved, paths that lead elsewhere, or damaged bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(mutated_bytes(original))
    rows = list(csv.reader(io.StringIO(original.decode())))
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        at = draw(st.integers(0, len(rows) - 1))
        column = draw(st.integers(0, 5))
        how = draw(st.sampled_from(("cell", "cell", "cell", "other row", "double", "delete", "swap", "path")))
        if how == "cell" and column < len(rows[at]):
            rows[at][column] = draw(texts)
        elif how == "other row" and column < len(rows[at]):
            rows[at][column] = rows[draw(st.integers(0, len(rows) - 1))][column]
        elif how == "double":
            rows.insert(at, list(rows[at]))
        elif how == "delete" and len(rows) > 1:
            del rows[at]
        elif how == "swap":
            other = draw(st.integers(0, len(rows) - 1))
            rows[at], rows[other] = rows[other], rows[at]
        elif how == "path" and rows[at]:
            rows[at][0] = draw(
                st.sampled_from(
                    ("../../../../outside/x.png", "/dev/zero", "train/../../x.png", ".", "train/glass", "a" * 300)
                )
            )
    return rows_as_csv(rows)


@given(data=st.data())
@inputs(quick=120, long=1500)
def test_a_table_of_a_dataset(placed: Sandbox, dataset: Dataset, data: st.DataObject):
    folder = placed.data / "datasets" / dataset.name
    original = (dataset.folder / "metadata.csv").read_bytes()
    content = data.draw(mutated_table(original))
    restored(folder / "metadata.csv", content)
    try:
        placed.attempt("metadata.csv", lambda: use_dataset(folder, dataset), MOST_MIB)
    finally:
        restored(folder / "metadata.csv", original)


LINKS = ("/dev/zero", "/dev/stdin", "/proc/self/environ", "../../../outside/thesis.tex", "/", "loop", "pipe")


@pytest.mark.parametrize("name", ["dataset.json", "metadata.csv", "train/glass", "image", ".lock", ".decoded", "note"])
@pytest.mark.parametrize("target", LINKS)
def test_links_and_pipes_in_a_dataset(placed: Sandbox, dataset: Dataset, name: str, target: str):
    """What is not a regular file is neither waited for, nor read without end, nor written through."""
    folder = placed.data / "datasets" / dataset.name
    image = dataset.records[3].file_name
    names = {"image": image, ".decoded": f".decoded-{dataset.digest}.npy", "note": f".decoded-{dataset.digest}.json"}
    path = folder / names.get(name, name)
    aside = placed.root / "tmp" / "aside"
    there = path.exists()
    if there:
        path.rename(aside)
    if target == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path.name if target == "loop" else target)
    try:
        placed.attempt("links and pipes", lambda: use_dataset(folder, dataset), MOST_MIB)
    finally:
        path.unlink(missing_ok=True)
        if there:
            aside.rename(path)
        for cache in folder.glob(".decoded*"):
            cache.unlink()


def use_ensemble(folder: Path, original: Ensemble) -> None:
    """Open it; what is accepted keeps the promises of an ensemble and can be asked for everything."""
    found = open_ensemble(folder)
    assert found.protocol.particles <= 1_000_000
    assert [member.number for member in found.simulations] == list(range(1, len(found.simulations) + 1))
    assert all(0 <= member.seed < 2**64 for member in found.simulations)
    assert all(0 <= index <= 200 for index in found.protocol.snapshots)
    assert len(found.digest) == 16
    assert found.seed >= 0
    for member in found.simulations:
        assert found.path(member).parent == folder
    found.missing()


@given(data=st.data())
@inputs(quick=120, long=1500)
def test_a_description_of_an_ensemble(placed: Sandbox, ensemble: Ensemble, data: st.DataObject):
    folder = Layout(placed.data).ensemble(ensemble.name)
    original = (ensemble.folder / "ensemble.json").read_bytes()
    value = json.loads(original)
    if data.draw(st.booleans()):
        value |= {"origin": {"species": ["1", "2"], "particles_a": 65, "length": 9.1, "first_step": 0}}
    restored(folder / "ensemble.json", data.draw(mutated_json(value)))
    try:
        placed.attempt("ensemble.json", lambda: use_ensemble(folder, ensemble), MOST_MIB)
    finally:
        restored(folder / "ensemble.json", original)


@given(name=st.one_of(st.sampled_from(TEXTS), st.text(max_size=20)))
@inputs(quick=40, long=400)
def test_names(placed: Sandbox, name: str):
    """A name never leads out of its folder."""

    def use() -> None:
        layout = Layout(placed.data)
        for find in (layout.ensemble, layout.sweep, layout.dataset):
            folder = find(name)
            assert folder.resolve().is_relative_to(placed.data.resolve())
            assert folder.name == name
        open_dataset(layout.dataset(name))

    placed.attempt("names", use, MOST_MIB)


def test_a_file_that_is_too_large_is_not_read(placed: Sandbox, dataset: Dataset):
    """Made of nothing: a file with a hole takes no room on the disk, and would take all memory."""
    folder = placed.data / "datasets" / dataset.name
    for name in ("dataset.json", "metadata.csv"):
        path = folder / name
        original = path.read_bytes()
        os.truncate(path, 8 << 30)
        try:
            assert "is larger than" in str(placed.attempt("files with holes", lambda: use_dataset(folder, dataset), 8))
        finally:
            restored(path, original)


def test_the_strategies_make_values_that_differ():
    """A mutation that changes nothing would be counted as an accepted input."""
    value = {"a": [1, 2.5, "x"], "b": {"c": None}}
    found = set()

    @given(st.data())
    @inputs(quick=50, long=50)
    def collect(data: st.DataObject) -> None:
        found.add(as_json(data.draw(mutated_value(value))))

    collect()
    assert len(found - {as_json(value)}) > 20

"""Other people's data through the real commands: make_data imports, draws and trains as on our own."""

import json
import re

import gsd.hoomd
import numpy as np
import pytest
from PIL import Image

from glassliquid.datasets.description import open_dataset
from glassliquid.ensembles.ensemble import open_ensemble
from glassliquid.trajectories.trajectory import read_configurations
from tests.commands.conftest import PROJECT, Command
from tests.commands.test_bad_input import assert_one_sentence
from tests.conftest import PROTOCOL, contents
from tests.ensembles.dask_cluster import DaskCluster
from tests.trajectories.foreign import System, write_dump


@pytest.fixture
def cooling(ensemble, tmp_path):
    """The shared ensemble's simulations as somebody else has them: LAMMPS dumps in numbered folders, elsewhere in space."""
    folder = tmp_path / "cooling2018"
    for simulation in ensemble.simulations:
        with gsd.hoomd.open(str(ensemble.path(simulation)), "r") as file:
            side = float(file[0].configuration.box[0])
            system = System(
                steps=tuple(int(frame.configuration.step) for frame in file),
                particles=100,
                particles_b=35,
                low=-side / 2,
                side=side,
            )
            system.positions = np.array([frame.particles.position[:, :2] for frame in file], dtype=np.float64)
            system.types = file[0].particles.typeid + 1
        write_dump(folder / f"{simulation.number}" / "traj.atom", system)
    return folder


def test_trajectories_are_imported_and_drawn(command: Command, cooling, ensemble, dataset, tmp_path):
    done = command(
        "make_data", source="trajectories", input=cooling, data_dir=tmp_path, name="theirs", image_size=64, workers=2
    )
    assert done.returncode == 0, done.stderr
    assert "liquid 5 (T = 1.95) against glass 200 (T = 0.05) of 20 simulations, 28 + 6 + 6 images" in done.stdout
    made = open_ensemble(tmp_path / "ensembles" / "cooling2018")
    assert made.protocol.snapshots == PROTOCOL.snapshots
    assert made.protocol.cooling_steps == PROTOCOL.cooling_steps
    # Same particles, same split, so the very same images as those drawn from the ensemble itself.
    theirs, ours = open_dataset(tmp_path / "datasets" / "theirs"), dataset
    assert theirs.recipe.source == "trajectories"
    assert [record.file_name for record in theirs.records] == [record.file_name for record in ours.records]
    assert theirs.digest == ours.digest
    # The files themselves are not needed any more.
    again = command(
        "make_data",
        source="trajectories",
        ensemble="cooling2018",
        data_dir=tmp_path,
        name="other",
        liquid=60,
        inherent=True,
        image_size=64,
    )
    assert again.returncode == 0, again.stderr
    assert "e_IS is" in again.stdout


def test_a_rehearsal_says_how_the_files_are_understood_and_writes_nothing(command: Command, cooling, tmp_path):
    options = {"source": "trajectories", "input": cooling, "name": "theirs", "image_size": 64, "dry_run": True}
    done = command("make_data", **options, data_dir=tmp_path / "data", cooling_steps=PROTOCOL.cooling_steps)
    assert done.returncode == 0, done.stderr
    assert "20 simulations (LAMMPS text dump): 1/traj.atom, 2/traj.atom, 3/traj.atom, ..." in done.stdout
    assert "65 1 (drawn orange, large) and 35 2 (blue, small) in a box of side 9.12871, density 1.2." in done.stdout
    assert re.search(r"indices 0 \(T = 2\) to 200 \(T = 0\.05\)", done.stdout)
    assert "14 for train, 3 for validation, 3 for test" in done.stdout
    picture = re.search(r"The first picture is (\S+first\.png)\.", done.stdout)
    with Image.open(picture[1]) as image:
        assert image.size == (64, 64)
    assert not (tmp_path / "data").exists()
    done = command("make_data", **options, data_dir=tmp_path / "data", cooling_steps=PROTOCOL.cooling_steps, liquid=7)
    assert "The requested dataset cannot be made: liquid is 7, which the ensemble" in done.stdout


def test_a_damaged_trajectory_ends_in_one_sentence_and_leaves_nothing_half_written(command: Command, cooling, tmp_path):
    broken = cooling / "20" / "traj.atom"
    text = broken.read_text()
    broken.write_text(text[:-1500])
    done = command("make_data", source="trajectories", input=cooling, data_dir=tmp_path, name="theirs", image_size=64)
    assert_one_sentence(done, r"cooling2018/20/traj\.atom .*(ends after|ends in the middle).*: repair the file")
    folder = tmp_path / "ensembles" / "cooling2018"
    assert not list(folder.glob(".*.partial"))
    assert not (tmp_path / "datasets" / "theirs").exists()
    broken.write_text(text)
    done = command("make_data", source="trajectories", input=cooling, data_dir=tmp_path, name="theirs", image_size=64)
    assert done.returncode == 0, done.stderr
    assert len(read_configurations(folder / "sim-00020.gsd")) == len(PROTOCOL.snapshots)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(1, 21):
        for label, value in (("glass", 200), ("liquid", 50)):
            Image.new("L", (40, 40), value + number).save(folder / f"{label}.{number:05d}.png")
    return folder


def test_images_are_imported(command: Command, pictures, tmp_path):
    done = command("make_data", source="images", input=pictures, data_dir=tmp_path, name="theirs", image_size=32)
    assert done.returncode == 0, done.stderr
    dataset = open_dataset(tmp_path / "datasets" / "theirs")
    assert (dataset.recipe.source, dataset.recipe.ensemble, len(dataset.records)) == ("images", "pictures", 40)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["trajectories", "images"])
def test_what_was_imported_is_trained_on(command: Command, cooling, pictures, tmp_path, source):
    folder = cooling if source == "trajectories" else pictures
    done = command("make_data", source=source, input=folder, data_dir=tmp_path, name="theirs", image_size=32)
    assert done.returncode == 0, done.stderr
    trained = command("train", dataset="theirs", data_dir=tmp_path, batch_size=8, iterations=1, register_as="none")
    assert trained.returncode == 0, trained.stderr


def test_unreadable_images_are_listed_and_skipped_only_when_allowed(
    command: Command, quick_command: Command, pictures, tmp_path
):
    (pictures / "glass.00003.png").write_bytes(b"no image")
    options = {"source": "images", "input": pictures, "data_dir": tmp_path, "name": "theirs", "image_size": 32}
    done = quick_command("make_data", **options)
    assert_one_sentence(
        done, r"1 image\(s\) that cannot be used \(glass\.00003\.png is not an image .*skip_unreadable=true"
    )
    assert not (tmp_path / "datasets" / "theirs").exists()
    done = command("make_data", **options, skip_unreadable="true")
    assert done.returncode == 0, done.stderr
    assert "Left out: glass.00003.png is not an image of a known format" in done.stdout
    assert "1 unreadable images were left out" in done.stdout
    skipped = json.loads((tmp_path / "datasets" / "theirs" / "dataset.json").read_text())["skipped"]
    assert [each["file"] for each in skipped] == ["glass.00003.png"]


WRONG = [
    ({"source": "trajectories"}, "input is none: pass the folder of the trajectories as input, or the name of an ensemble"),
    ({"source": "images"}, "input is none: pass the folder of the images"),
    ({"source": "trajectories", "input": "/nowhere"}, "input is '/nowhere', which is not a folder"),
    ({"source": "images", "input": "/nowhere"}, "input is '/nowhere', which is not a folder"),
    ({"source": "trajectories", "ensemble": "small"}, "'small' was simulated, not imported: leave source at simulate"),
    ({"input": "/nowhere"}, "input is /nowhere, but source=simulate has no use for it: leave input out"),
    ({"skip_unreadable": "true"}, "skip_unreadable is True, but source=simulate has no use"),
    ({"source": "trajectories", "input": "/tmp", "particles": 64}, "particles is 64, but source=trajectories has no use for it: leave particles out"),
    ({"source": "images", "input": "/tmp", "inherent": "true"}, "inherent is True, but source=images has no use for it"),
    ({"source": "trajectories", "input": "/tmp", "temperature": "T="}, "temperature is 'T=': pass the word before the temperature in the names, such as T, or a table"),
    ({"source": "trajectories", "input": "/tmp", "arrays": "r"}, "arrays is 'r': pass what each is and its name, positions:NAME, types:NAME, box:NAME"),
    ({"scheduler": "nowhere"}, "scheduler is 'nowhere': pass none, an address such as tcp://host:8786"),
    ({"scheduler": "tcp://127.0.0.1:9", "workers": 4}, "workers is 4, but with scheduler"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_a_wrong_value_ends_in_one_sentence(quick_command: Command, dataset, data_dir, options, message):
    assert_one_sentence(quick_command("make_data", data_dir=data_dir, **options), re.escape(message))


def test_an_export_is_a_command(command: Command, ensemble, data_dir, tmp_path):
    done = command("export", ensemble="small", data_dir=data_dir, output=tmp_path / "out", snapshots="5,200")
    assert done.returncode == 0, done.stderr
    assert "Exported 20 simulations of small" in done.stdout
    assert len(list((tmp_path / "out").glob("*/traj.atom"))) == 20
    assert_one_sentence(command("export", ensemble="nobody", data_dir=data_dir), "no ensemble 'nobody'")


def test_make_data_on_a_cluster_is_make_data_here(command: Command, ensemble, dataset, tmp_path):
    """The folder is given relative to this process's own, which is not that of the workers."""
    (tmp_path / "dask").mkdir()
    settings = {"ensemble": "small", "particles": 100, "cooling_steps": 2000, "simulations": 20, "image_size": 64}
    with DaskCluster(tmp_path / "dask") as running:
        for _ in range(2):
            running.start_worker()
        relative = _relative(tmp_path)
        done = command(
            "make_data", scheduler=running.address, data_dir=relative, snapshots="0,5,60,100,195,200", **settings
        )
    assert done.returncode == 0, done.stderr
    # Other tests may have put inherent structures into the shared ensemble.
    whole = {name: content for name, content in contents(ensemble.folder).items() if not name.startswith("inherent")}
    assert contents(tmp_path / "ensembles" / "small") == whole
    assert contents(tmp_path / "datasets" / "data_liquid5") == contents(dataset.folder)


def _relative(path):
    return "/".join([".."] * (len(PROJECT.parts) - 1)) + str(path)

"""make_data, killed at random moments: the same command completes to the bytes of the undisturbed one."""

from pathlib import Path

import pytest

from tests.conftest import PROTOCOL, SEED, SIMULATIONS, contents
from tests.faults.conftest import long, short
from tests.faults.figures import Tally
from tests.faults.kills import Killer, Phase, changes

OPTIONS = {
    "ensemble": "small", "particles": PROTOCOL.particles, "cooling_steps": PROTOCOL.cooling_steps, "image_size": 64,
    "snapshots": ",".join(map(str, PROTOCOL.snapshots)), "simulations": SIMULATIONS, "seed": SEED, "workers": 2,
}  # fmt: skip


def trajectories(data: Path) -> dict[str, bytes]:
    """The trajectory files that are there, inherent structures too."""
    return {
        str(path.relative_to(data)): path.read_bytes() for path in sorted(data.glob("ensembles/small/**/sim-*.gsd"))
    }


@pytest.mark.faults
@pytest.mark.parametrize("engine", ["lammps", "numba"])
@pytest.mark.parametrize("kills", [short(2), long(24)])
def test_killed_make_data(kills: int, engine: str, fault_seed: int, workplace):
    tally = Tally(f"make_data, {engine}", "SIGKILL")
    killer, place = Killer(fault_seed, tally, kills), workplace()
    options = {**OPTIONS, "engine": engine}
    expected = {}
    for inherent in (False, True) if kills > 10 else (False,):
        undisturbed = f"undisturbed-{inherent}".lower()
        place.run("make_data", data_dir=undisturbed, inherent=str(inherent).lower(), **options)
        made = place.folder / undisturbed
        expected[inherent] = (trajectories(made), contents(made / "datasets" / "data_liquid5"))
    rounds = 0
    while killer.has_more:
        inherent = rounds % 2 == 1 and True in expected
        rounds += 1
        files, drawn = expected[inherent]
        data = place.folder / f"data{rounds}"
        target = data / "datasets" / "data_liquid5"

        def present(data: Path = data) -> int:
            return len(list(data.glob("ensembles/small/**/sim-*.gsd")))

        def whole(data: Path = data, files: dict[str, bytes] = files) -> None:
            for name, content in trajectories(data).items():
                # Minimised files grow by a snapshot at a time; all others are final when they appear.
                if "inherent" not in name:
                    tally.same(name, content == files[name], True)

        def begin(data: Path = data, inherent: bool = inherent):
            return place.start("make_data", data_dir=data.name, inherent=str(inherent).lower(), **options)

        phases = [
            Phase(2, 5.0),
            Phase(5, 2.5, changes(present)),
            Phase(2, 0.4, changes(lambda data=data: len(list(data.glob("datasets/.*.partial"))))),
            Phase(1, 2.0, changes(target.exists)),
        ]
        killer.until_done(place, begin, phases, whole)
        tally.count(f"round {rounds}, trajectories", trajectories(data), files)
        tally.same(f"round {rounds}, trajectories", trajectories(data) == files, True)
        tally.same(f"round {rounds}, dataset", contents(target) == drawn, True)
        tally.left += place.running() + place.left_behind()
    tally.left += map(str, place.orphans())
    if kills > 10:
        tally.left += place.left_for_ever("tidy")
    tally.settle()

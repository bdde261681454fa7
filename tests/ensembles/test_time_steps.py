"""Time steps of other people's coolings as snapshot indices."""

import pytest

from glassliquid.errors import UserError
from tests.ensembles.cases import Run
from tests.ensembles.peoples_files import assert_imported, planned


def test_the_start_of_the_cooling_is_found_or_asked_for(tmp_path):
    found = planned(tmp_path, (10_000, 15_000, 20_000))
    assert (found.ensemble.origin.first_step, found.ensemble.protocol.cooling_steps) == (10_000, 10_000)
    assert found.ensemble.protocol.snapshots == (0, 100, 200)
    before = planned(tmp_path, (-10_000, -5_000, 0))  # an own code counts down to the end
    assert (before.ensemble.origin.first_step, before.ensemble.protocol.cooling_steps) == (-10_000, 10_000)
    assert any("first_step is 10000, as found" in remark for remark in found.remarks)
    with pytest.raises(UserError, match=r"begins at time step 50, .*: pass first_step=50 or first_step=0"):
        planned(tmp_path, (50, 100, 150, 200))
    assert planned(tmp_path, (50, 100, 150, 200), first_step=0).ensemble.protocol.snapshots == (50, 100, 150, 200)


def test_frames_belong_to_the_nearest_index_where_the_steps_cannot_be_divided(tmp_path, pool):
    runs = [Run(seed, tuple(range(0, 100, 11))) for seed in (1, 2, 3)]
    ensemble = planned(tmp_path, runs[0].steps).ensemble
    assert ensemble.protocol.snapshots == (0, 22, 44, 67, 89, 111, 133, 156, 178, 200)
    assert_imported(tmp_path, pool, runs=runs)
    many = planned(tmp_path, tuple(range(100)))
    assert many.ensemble.protocol.snapshots[-3:] == (196, 198, 200)
    more = planned(tmp_path, tuple(range(402)))
    assert more.ensemble.protocol.snapshots == tuple(range(201))
    assert all(abs(200 * step / 401 - index) <= 0.25 for step, index in more.tasks[0].indices.items())

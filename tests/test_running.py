"""How the tests themselves are run."""

import os

import pytest


@pytest.mark.xdist_group("kept-together")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one process")
def test_groups_are_kept_together(request: pytest.FixtureRequest):
    """pytest-xdist does so by a suffix of the name, which versions of pytest that it does not know ignore in silence."""
    assert request.node.nodeid.endswith("@kept-together")

"""A tracking server behind a proxy that counts, delays and withholds what passes."""

from collections.abc import Iterator

import pytest

from tests.group.proxy import Proxy, proxied
from tests.group.servers import mlflow_server, running


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with running(mlflow_server(tmp_path_factory.mktemp("server"))) as server, proxied(server.port) as front:
        yield front

"""A tracking server behind a proxy that counts, delays and withholds what passes."""

from collections.abc import Iterator

import pytest

from tests.group.proxy import Proxy, proxied
from tests.group.servers import mlflow_server


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("server")
    with (
        mlflow_server(folder, f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts")) as server,
        proxied(server.port) as front,
    ):
        yield front

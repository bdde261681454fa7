"""Artifacts over HTTP as an MLflow server takes them, without the server: files are put, listed and got."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

PLACE = "/api/2.0/mlflow-artifacts/artifacts"


class _Handler(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]]
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.files[self._name] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"{}")

    def do_GET(self) -> None:
        if urlsplit(self.path).path == PLACE:
            folder = parse_qs(urlsplit(self.path).query)["path"][0].strip("/") + "/"
            inside = {name.removeprefix(folder) for name in self.files if name.startswith(folder)}
            found = [{"path": name, "is_dir": False, "file_size": 1} for name in inside if "/" not in name]
            found += [{"path": name, "is_dir": True} for name in {name.split("/")[0] for name in inside if "/" in name}]
            self._answer(200, json.dumps({"files": found}).encode())
        elif self._name in self.files:
            self._answer(200, self.files[self._name])
        else:
            self._answer(404, b"{}")

    @property
    def _name(self) -> str:
        return urlsplit(self.path).path.removeprefix(PLACE).strip("/")

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


@contextmanager
def artifact_server() -> Iterator[int]:
    """A server of artifacts on a port, for the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": {}}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()

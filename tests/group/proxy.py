"""A proxy in front of a server, which counts requests and does to them what proxies and networks do."""

import contextlib
import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

BLOCK = 1 << 16
HANG_S = 600.0
_CONNECTION_HEADERS = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length"}


Fault = str | tuple[int, str] | float | None


class Proxy:
    """Forwards requests to a port of this machine; `fault` may do something else with them."""

    def __init__(self, port: int) -> None:
        """Start forwarding to that port."""
        self.counts: Counter[str] = Counter()
        """`METHOD path` to the number of requests."""
        self.bytes_in = 0
        """Bytes of all bodies that were sent through it."""
        self.fault: Callable[[str, str, int], Fault] = lambda _method, _path, _size: None
        """Given method, path and size of the body: `hang` takes it and never answers; `gone` closes at once and `cut` when half
        of it was read; a status with a text is answered; a number of seconds is waited before it is forwarded; None forwards it."""
        self.upload_rate = float("inf")
        """Bytes a second that are read of a body."""
        handler = type("Handler", (_Handler,), {"proxy": self, "target": port})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[Proxy]
    target: ClassVar[int]
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        path = self.path.partition("?")[0]
        self.proxy.counts[f"{self.command} {path}"] += 1
        is_chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        size = int(self.headers.get("Content-Length", 0))
        fault = self.proxy.fault(self.command, path, size)
        if fault in ("gone", "cut"):
            self.rfile.read(size // 2 if fault == "cut" else 0)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if isinstance(fault, tuple):
            # As nginx does for a body beyond its limit: without reading all of it.
            self.close_connection = True
            content = fault[1].encode()
            self.send_response(fault[0])
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self._read(min(size, 1 << 24))
            return
        body = self._read_chunks() if is_chunked else self._read(size)
        self.proxy.bytes_in += len(body)
        if fault == "hang":
            time.sleep(HANG_S)
            return
        if isinstance(fault, float):
            time.sleep(fault)
        self._answer(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward  # noqa: N815

    def _answer(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.target, timeout=120)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in _CONNECTION_HEADERS}
        if body or self.command in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(body))
        try:
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
        except OSError:
            self.close_connection = True
            content = b"<html>502 Bad Gateway</html>"
            self.send_response(502)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        finally:
            upstream.close()
        self.send_response(answer.status, answer.reason)
        for key, value in answer.getheaders():
            if key.lower() not in _CONNECTION_HEADERS | {"date", "server"}:
                self.send_header(key, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)

    def _read(self, size: int) -> bytes:
        parts, left = [], size
        while left > 0 and (part := self.rfile.read(min(BLOCK, left))):
            parts.append(part)
            left -= len(part)
            if self.proxy.upload_rate < float("inf"):
                time.sleep(len(part) / self.proxy.upload_rate)
        return b"".join(parts)

    def _read_chunks(self) -> bytes:
        parts = []
        while length := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(length))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle_one_request()

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: a test prints what it counts."""


@contextlib.contextmanager
def proxied(port: int) -> Iterator[Proxy]:
    """A proxy in front of a port, for the block."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.stop()

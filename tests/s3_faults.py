"""A bad line to an S3 server: a proxy that fails, cuts, delays and repeats requests, by seed."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("500", "503", "reset", "reset after", "torn upload", "torn answer", "slow", "twice")


class BadLine(ThreadingHTTPServer):
    """Forwards to ``endpoint``; a share ``rate`` of the requests meets one of ``FAULTS``, counted in ``met``."""

    daemon_threads = True

    def __init__(self, endpoint: str, rate: float, seed: int, slow_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(endpoint).netloc
        self.rate, self.slow_s, self.random, self.lock = rate, slow_s, random.Random(seed), threading.Lock()
        self.met: Counter[str] = Counter()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what is being tested."""

    def draw_fault(self, method: str, path: str) -> str:
        with self.lock:
            if self.random.random() >= self.rate:
                return ""
            fault = self.random.choice(FAULTS)
            if fault == "torn upload" and (method != "PUT" or "uploadId" in path):
                fault = "503"
            if fault == "torn answer" and method != "GET":
                fault = "500"
            self.met[fault] += 1
            return fault


@contextmanager
def bad_line(endpoint: str, rate: float, seed: int, slow_s: float = 3.0) -> Iterator[BadLine]:
    """A running proxy; ``http://127.0.0.1:<server_port>`` is its address."""
    server = BadLine(endpoint, rate, seed, slow_s)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadLine

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.draw_fault(self.command, self.path)
        if fault in ("500", "503"):
            self._answer(int(fault), {}, b"")
            return
        if fault == "reset":
            self._reset()
            return
        if fault == "slow":
            time.sleep(self.server.slow_s)
        if fault == "torn upload":
            body = body[: len(body) // 2]
        for _ in range(2 if fault == "twice" else 1):
            status, headers, data = self._ask(body)
        if fault == "reset after":
            self._reset()
        elif fault == "torn answer" and data:
            self._answer(status, headers, data[: len(data) // 2], claimed=len(data))
            self._reset()
        else:
            self._answer(status, headers, data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward  # noqa: N815 - BaseHTTPRequestHandler's names

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "expect", "content-length")}
        connection.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in ("connection", "transfer-encoding", "date")}
        return answer.status, kept, data

    def _answer(self, status: int, headers: dict[str, str], data: bytes, claimed: int | None = None) -> None:
        length = headers.pop("Content-Length", None) or headers.pop("content-length", None)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        of_head = length if self.command == "HEAD" and length else str(len(data))
        self.send_header("Content-Length", str(claimed) if claimed is not None else of_head)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _reset(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        # A linger time of nothing makes closing a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.rfile.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silence."""

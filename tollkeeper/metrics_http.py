"""`/metrics`, `/healthz`, `/readyz` and `/learned` of a process, over TCP or a Unix socket; and reading them from
another process.

Each sidecar process serves its own on a Unix socket; the supervisor serves all of them as one, with a `process` label.
"""

import contextlib
import json
import socket
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.registry import Collector

from serving.addresses import CannotListenError

log = structlog.get_logger(__name__)

READ_TIMEOUT_SECONDS = 2.0
CLIENT_SECONDS = 5.0  # for each read of a request and each write of its answer
MAX_CONNECTIONS = 32  # each is a thread
# name → whether it is ready
Readiness = Callable[[], Mapping[str, bool]]
# Warnings: what works but should be looked into, in words.
Warnings = Callable[[], Sequence[str]]
# Tables, by name: of the rows each is an object.
Learned = Callable[[], Mapping[str, Any]]
OPENMETRICS, END = "application/openmetrics-text", "# EOF\n"
NOT_FOUND = b'{"error":"not found; there are /metrics, /healthz, /readyz, /learned"}'


class MetricsServer:
    """Answers scrapes from a daemon thread.  `address`: HOST:PORT or the path of a Unix socket.  CannotListenError."""

    def __init__(
        self,
        address: str | Path,
        registry: CollectorRegistry,
        readiness: Readiness,
        warnings: Warnings = tuple,
        learned: Learned = dict,
    ) -> None:
        try:
            self._server = _UnixServer(address) if isinstance(address, Path) else _TcpServer(address)
        except OSError as error:
            raise CannotListenError(str(address), error.strerror or str(error)) from error
        self._server.registry, self._server.readiness = registry, readiness
        self._server.warnings, self._server.learned = warnings, learned
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    server: "_Server"
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, *exposition(self.server.registry, self.headers.get("Accept", "")))
        elif path == "/healthz":
            self._answer(200, b'{"status":"ok"}', "application/json")
        elif path == "/readyz":
            parts = self.server.readiness()
            ready = all(parts.values())
            status, warnings = "ready" if ready else "not ready", list(self.server.warnings())
            body = {"status": status, "parts": dict(parts), "warnings": warnings}
            self._answer(200 if ready else 503, json.dumps(body).encode(), "application/json")
        elif path == "/learned":
            self._answer(200, json.dumps(self.server.learned()).encode(), "application/json")
        else:
            self._answer(404, NOT_FOUND, "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "-"  # a Unix socket's peer has no address

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not logged."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: CollectorRegistry
    readiness: Readiness
    warnings: Warnings
    learned: Learned

    def __init__(self, address: Any) -> None:
        self._open: OrderedDict[int, socket.socket] = OrderedDict()  # by descriptor, oldest first
        self._lock = threading.Lock()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request.fileno()] = request
            if len(self._open) > MAX_CONNECTIONS:
                _, oldest = self._open.popitem(last=False)
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # wakes its thread
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs a failure; the library would print a stack for each client that leaves."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a request for metrics failed")

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request.fileno(), None)
        super().shutdown_request(request)


class _TcpServer(_Server):
    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, int(port)))


class _UnixServer(_Server):
    address_family = socket.AF_UNIX

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        super().__init__(str(path))

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0


class ProcessMetrics(Collector):
    """The metrics of other processes, read from their Unix sockets at scrape; one that is away is left out."""

    def __init__(self, sockets: Mapping[str, Path]) -> None:
        self._sockets = sockets

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for process, path in self._sockets.items():
            answer = get(path, "/metrics", OPENMETRICS)
            for family in families_of(answer[1].decode()) if answer else ():
                merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    merged.samples.append(sample._replace(labels={**sample.labels, "process": process}))
        yield from families.values()


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The metrics and their content type: OpenMetrics, which has exemplars, for those who name it, whichever version of
    it they like best; the classic text for all others."""
    if OPENMETRICS in (each.partition(";")[0].strip().lower() for each in accept.split(",")):
        return openmetrics.generate_latest(registry), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def families_of(text: str) -> list[Metric]:
    """Of either format: a process of the version before knows only the classic one."""
    read = read_openmetrics if text.endswith(END) else read_text
    return list(read(text))


def get(address: Path | str, target: str, accept: str = "*/*") -> tuple[int, bytes] | None:
    """Status and body of an HTTP GET at a Unix socket or HOST:PORT; None if nobody answers."""
    host, _, port = str(address).rpartition(":")
    connection = (
        _UnixConnection(address)
        if isinstance(address, Path)
        else HTTPConnection(host.strip("[]"), int(port), timeout=READ_TIMEOUT_SECONDS)
    )
    try:
        connection.request("GET", target, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=READ_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

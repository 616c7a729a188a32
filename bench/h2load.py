"""Running h2load, and reading its output.  It ignores grpc-status, so callers also check the server's counters."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MISSING = "h2load is not installed; on Debian and Ubuntu: apt-get install nghttp2-client"
ROUND_SECONDS = 60
GRPC_HEADERS = {"content-type": "application/grpc", "te": "trailers"}
_FINISHED = re.compile(r"finished in ([0-9.]+)(us|ms|s|m), ([0-9.]+) req/s")
_STATUS = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
_DATA = re.compile(r"\((\d+)\) data")
_FAILED = re.compile(r"(\d+) failed, (\d+) errored, (\d+) timeout")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Load:
    """The outcome of a run.  `data_bytes`: total size of the bodies of the answers."""

    seconds: float
    ok: int
    failed: int
    data_bytes: int

    @property
    def rate(self) -> float:
        return self.ok / self.seconds


def require() -> None:
    """Exits with a message if h2load is not installed."""
    if shutil.which("h2load") is None:
        sys.exit(MISSING)


def grpc(socket: Path, method: str, message: Path, requests: int, streams: int = 32) -> Load:
    """Unary calls, each with the framed message in that file, over one connection to a Unix socket."""
    return _run(_grpc(socket, message, streams), GRPC_HEADERS, f"http://localhost{method}", requests)


def start_grpc(socket: Path, method: str, message: Path, streams: int) -> "subprocess.Popen[bytes]":
    """The same until the caller stops it, or ROUND_SECONDS pass."""
    arguments = ["-D", str(ROUND_SECONDS), *_grpc(socket, message, streams)]
    command = _command(arguments, GRPC_HEADERS, f"http://localhost{method}")
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _grpc(socket: Path, message: Path, streams: int) -> list[str]:
    return ["-c", "1", "-m", str(streams), "-B", f"unix:{socket}", "-d", str(message)]


def http(url: str, body: Path, headers: Mapping[str, str], requests: int, connections: int) -> Load:
    """POSTs over HTTP/1.1, each connection with one request in flight."""
    return _run(["--h1", "-c", str(connections), "-d", str(body)], headers, url, requests)


def frame(message: bytes) -> bytes:
    """The message with gRPC's prefix: not compressed, length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _run(arguments: list[str], headers: Mapping[str, str], url: str, requests: int) -> Load:
    command = _command(["-n", str(requests), *arguments], headers, url)
    done = subprocess.run(command, capture_output=True, text=True, timeout=ROUND_SECONDS, check=True)
    return read(done.stdout)


def _command(arguments: list[str], headers: Mapping[str, str], url: str) -> list[str]:
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    return ["h2load", "-t", "1", *arguments, *given, url]


def read(output: str) -> Load:
    """Parses h2load's output; ValueError if it is anything else."""
    finished, status, data = _FINISHED.search(output), _STATUS.search(output), _DATA.search(output)
    failed = _FAILED.search(output)
    if not (finished and status and data and failed):
        raise ValueError(f"h2load says: {output[-500:]}")
    ok, *other = map(int, status.groups())
    return Load(float(finished[1]) * _UNITS[finished[2]], ok, sum(other) + sum(map(int, failed.groups())), int(data[1]))

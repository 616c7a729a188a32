"""What Envoy holds of large answers: none of it for long, however many come at once and however slowly they are read."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.usage import usage_of
from tests.accesslog.entries import decision, said
from tests.accesslog.stack import wait_until
from tests.envoy.chain import WITHOUT_SERVICES, existing_envoy
from tests.envoy.conftest import envoy_with
from tests.formats.charge import reported
from tests.formats.wire import Answer, Upstream, running

AT_ONCE, MEBIBYTES = 50, 25
BUFFER = 1  # MiB: the limit of a connection's buffer, of which a stream has two; half as much again is ours to spare
VECTOR = json.dumps({"object": "embedding", "embedding": [-0.0123456789] * 1536}).encode() + b",\n"
END = b'{}],"usage":{"prompt_tokens":8,"total_tokens":8}}'
LARGE = Answer((b'{"data":[\n', *[VECTOR] * (MEBIBYTES * 2**20 // len(VECTOR)), END), "application/json")


def receive(url: str, everybody: Barrier) -> int:
    """Bytes of the answer, of which nothing is read until Envoy can take no more of any."""
    parts = httpx.URL(url)
    with socket.create_connection((parts.host, parts.port or 80), 60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        head = (
            "POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nx-answer: 0\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
        )
        connection.sendall(head.encode())
        everybody.wait()
        received, room = 0, bytearray(1 << 20)
        while size := connection.recv_into(room):
            received += size
        return received


def envoy_of(directory: Path) -> int:
    """The pid of the Envoy whose configuration is there."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{directory}/bootstrap.json".encode() in command.read_bytes():
                return int(command.parent.name)
        except OSError:
            continue
    raise AssertionError("no Envoy")


def memory(pid: int, what: str) -> float:
    """MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(what))) / 1024


def test_fifty_large_answers_at_once(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.add(LARGE)
    with (
        running(upstream) as model,
        envoy_with(existing_envoy(tmp_path, model, left_out=WITHOUT_SERVICES), tmp_path) as url,
    ):
        pid = envoy_of(tmp_path)
        before, everybody = memory(pid, "VmRSS"), Barrier(AT_ONCE + 1)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sizes = [pool.submit(receive, url, everybody) for _ in range(AT_ONCE)]
            settled = -1.0
            while settled != (settled := memory(pid, "VmRSS")):
                time.sleep(0.5)
            everybody.wait()
            assert min(each.result() for each in sizes) > MEBIBYTES * 2**20 * 0.99
        assert memory(pid, "VmHWM") - before < 3 * BUFFER * AT_ONCE
        log = tmp_path / "access.jsonl"
        wait_until(lambda: log.read_bytes().count(b"\n") == AT_ONCE)  # Envoy writes a line after its answer has ended
        lines = log.read_bytes().splitlines()
    for line in lines:
        found = read_line(
            json.dumps({**json.loads(line), "decision": said(decision(kind="embeds", output_cap=0))}).encode()
        )
        assert isinstance(found, LogEntry)
        assert usage_of(found) == reported(8, 0)

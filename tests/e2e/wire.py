"""Requests as bytes on a socket: what no well-behaved client library would send."""

import contextlib
import json
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.deployment import MODEL

CHAT = "/v1/chat/completions"
JSON = (("Content-Type", "application/json"),)
SECONDS = 30.0
CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: str
    body: bytes


def body_of(**fields: object) -> bytes:
    """A chat request; a field that is None is left out."""
    base: dict[str, object] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    return json.dumps({name: value for name, value in (base | fields).items() if value is not None}).encode()


def request(
    method: str = "POST",
    path: str = CHAT,
    body: bytes = b"",
    headers: Sequence[tuple[str, str]] = JSON,
    *,
    version: str = "HTTP/1.1",
    length: bool = True,
    connection: str = "close",
) -> bytes:
    """`length`: whether to say Content-Length.  The credential and the case's mark are added by the test."""
    lines = [f"{method} {path} {version}", "Host: models.example", f"Connection: {connection}", "{credential}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length and (body or method in ("POST", "PUT")):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))


def send(address: tuple[str, int], raw: bytes) -> Answer:
    """Sends `raw` until the server answers, as it may before the end, and reads the answer to its end."""
    with socket.create_connection(address, SECONDS) as connection:
        rest, received = memoryview(raw), bytearray()
        # A server that has answered may reset the connection while we still send; its answer is there to be read.
        with contextlib.suppress(ConnectionError):
            while rest and not select.select([connection], [], [], 0)[0]:
                rest = rest[connection.send(rest[:CHUNK_BYTES]) :]
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(CHUNK_BYTES):
                received += part
        return parse(bytes(received))


def parse(raw: bytes) -> Answer:
    """The first final answer in `raw`."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return parse(body)
    status = int(head.split()[1]) if head else 0
    return Answer(status, head.decode("latin-1"), body)

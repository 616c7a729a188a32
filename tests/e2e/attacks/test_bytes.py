"""Bytes that are no text, where a client may write: they cost nobody else anything, and hide nothing."""

import subprocess

from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.wire import CHAT, body_of, request, send

ODD = b"ab\xffcd\xc3"


def curl(stack: Deployment, secret: str, path: bytes, *headers: bytes) -> bytes:
    """The status over HTTP/2."""
    named = [
        argument for header in (f"authorization: Bearer {secret}".encode(), *headers) for argument in (b"-H", header)
    ]
    command = [
        b"curl",
        b"-sS",
        b"--http2-prior-knowledge",
        b"-o",
        b"/dev/null",
        b"-w",
        b"%{http_code}",
        b"-d",
        body_of(),
    ]
    url = f"http://{stack.envoy_address}".encode() + path
    return subprocess.run([*command, *named, url], check=True, capture_output=True, timeout=30).stdout


def test_an_odd_request_id_loses_no_entry_of_others(stack: Deployment) -> None:
    odd, neighbour = stack.tenant(), stack.tenant()
    raw = request(body=body_of()).replace(b"{credential}", f"Authorization: Bearer {odd.secret}".encode())
    raw = raw.replace(b"\r\n\r\n", b"\r\nx-request-id: " + ODD + b"\r\n\r\n", 1)
    unknown = raw.replace(odd.secret.encode(), b"sk_unknown")
    before = backfilled(stack)
    for _ in range(5):
        assert send(stack.envoy_host_port, raw).status == 200
        assert send(stack.envoy_host_port, unknown).status == 401
        assert stack.chat(neighbour).status_code == 200
        assert curl(stack, odd.secret, CHAT.encode(), b"x-request-id: " + ODD) == b"200"
    assert {row["request_id"] for row in stack.usage_when(odd, 10)} == {"ab?cd?"}
    assert {row["usage_source"] for row in stack.usage_when(neighbour, 5)} == {"reported"}
    assert backfilled(stack) == before


def test_an_odd_query_over_http2_is_counted(stack: Deployment) -> None:
    who = stack.tenant()
    assert curl(stack, who.secret, CHAT.encode() + b"?a=" + ODD) == b"400"  # by the model server
    assert curl(stack, who.secret, CHAT.encode() + ODD) == b"404"  # by ratelimit: no such route
    rows = stack.usage_when(who, 2)
    assert {(row["status"], row["path"].startswith(CHAT)) for row in rows} == {(400, True), (404, True)}


def backfilled(stack: Deployment) -> float:
    name = "tollkeeper_accesslog_backfilled_entries_total"
    return sum(float(line.split()[-1]) for line in stack.metrics().splitlines() if line.startswith(name))


def test_a_long_request_id_is_cut_wherever_it_is_written(stack: Deployment) -> None:
    who, length = stack.tenant(), 90_000
    raw = request(body=body_of()).replace(b"\r\n\r\n", b"\r\nx-request-id: " + b"i" * length + b"\r\n\r\n", 1)
    known = raw.replace(b"{credential}", f"Authorization: Bearer {who.secret}".encode())
    before = written(stack)
    assert send(stack.envoy_host_port, raw.replace(b"{credential}", b"Authorization: Bearer sk_unknown")).status == 401
    assert send(stack.envoy_host_port, known).status == 200
    assert [len(row["request_id"]) for row in stack.usage_when(who, 1)] == [512]
    wait_for(lambda: True if written(stack) > before + 2 * 512 else None, "both lines of the log")
    assert written(stack) < before + length


def written(stack: Deployment) -> int:
    """Bytes of all logs."""
    logs = [stack.directory / "access.jsonl", *(stack.directory / "logs").iterdir()]
    return sum(each.stat().st_size for each in logs)

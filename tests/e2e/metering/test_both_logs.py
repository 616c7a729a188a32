"""Both logs of a real Envoy tell the same of every request: what the file would bring is what the stream brought, and
where the file alone is read nothing is missing."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.row import row_of
from accesslog.usage import usage_of
from ledger.row import UsageRow
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.wire import JSON, body_of, request, send
from tests.web import NO_TLS

# Lasts 100 s, so that the client can leave it.
SLOW = request(body=body_of(stream=True, max_tokens=2000), headers=(*JSON, ("x-stub-tokens-per-second", "20")))
REQUESTS = {
    "chat": request(body=body_of()),
    "chat without max_tokens": request(body=body_of(max_tokens=None)),
    "stream": request(body=body_of(stream=True)),
    "stream without usage": request(body=body_of(stream=True), headers=(*JSON, ("x-stub-no-usage", "1"))),
    "Anthropic": request(path="/v1/messages", body=body_of()),
    "Anthropic stream": request(path="/v1/messages", body=body_of(stream=True)),
    "embeddings": request(path="/v1/embeddings", body=b'{"model":"mock-model","input":"Hello"}'),
    "responses": request(path="/v1/responses", body=b'{"model":"mock-model","input":"Hello"}'),
    "beyond the budget": request(body=body_of(max_tokens=900_000)),
    "a body that is no JSON": request(body=b"{"),
    "a failure": request(body=body_of(), headers=(*JSON, ("x-stub-status", "500"))),
    "unknown path": request("GET", "/nothing/%7e/here?with=query", headers=()),
    "HEAD": request("HEAD", "/v1/models", headers=()),
    "a method of its own": request("BREW", "/v1/models", headers=()),
    "a path with bytes": request("GET", "/v1/mod\u00e9ls", headers=()),
    "a request id": request(body=body_of(), headers=(*JSON, ("x-request-id", "mine-1"), ("x-user-id", "u\u00e9"))),
}


@pytest.mark.parametrize("log", ["both", "file"])
def test_both_logs_tell_the_same(stack: Deployment, log: str) -> None:
    stack.sidecar(access_log=log)
    if log == "file":
        stack.until_logged_once(stack.tenant())
    who, before = stack.tenant(tokens_per_minute=100_000), stack.entries("file")
    credential = f"Authorization: Bearer {who.secret}".encode()
    for name, raw in REQUESTS.items():
        assert send(stack.envoy_host_port, raw.replace(b"{credential}", credential)).status, name
    with socket.create_connection(stack.envoy_host_port) as leaving:
        leaving.sendall(SLOW.replace(b"{credential}", credential))
        assert leaving.recv(500)
    wait_for(lambda: any(row.aborted for row in rows_of_file(stack, who)) or None, "the last line of the file")
    logged = rows_of_file(stack, who)
    brought = {str(row["id"]): row for row in stack.usage_when(who, len(logged))}
    for row in logged:
        told = {name: text(brought[row.id][name]) for name in UsageRow._fields}
        if row.usage_source == "estimated":  # the sidecar has learned how fast the model is, and we have not
            told["output_tokens"] = row.output_tokens
        assert row._asdict() == told
    assert (stack.entries("file") > before) == (log == "file")
    assert len(logged) == len(brought) > 10
    assert {row.usage_source for row in logged} == {"reported", "estimated", "none"}
    assert {row.admission for row in logged} == {"fast", "refused"}


def test_an_envoy_whose_file_is_not_read_tells_by_its_stream(stack: Deployment, tmp_path: Path) -> None:
    file = stack.settings.access_log_file
    stack.sidecar(access_log="file", access_log_file=tmp_path / "nobody-writes-it.jsonl")
    try:
        who = stack.tenant(max_in_flight=1)
        assert [stack.chat(who, max_tokens=1).status_code for _ in range(20)] == [200] * 20
        assert {row["usage_source"] for row in stack.usage_when(who, 20)} == {"reported"}
        assert (stack.entries("stream"), stack.entries("file")) == (20, 0)
    finally:
        stack.sidecar(access_log_file=file)


def test_a_log_that_is_rotated_holds_up_no_slot(stack: Deployment) -> None:
    stack.sidecar(access_log="file")
    who, file = stack.tenant(max_in_flight=1), stack.settings.access_log_file
    assert file is not None
    stack.until_logged_once(stack.tenant())
    for turn in range(40):
        if turn == 10:
            file.rename(file.with_name("access.jsonl.1"))
        if turn == 20:
            post_to_envoy(stack, "/reopen_logs")
        assert stack.chat(who, max_tokens=1).status_code == 200, turn
    assert len({row["id"] for row in stack.usage_when(who, 40)}) == 40


def post_to_envoy(stack: Deployment, path: str) -> None:
    assert stack.settings.envoy_admin is not None
    socket_path = stack.settings.envoy_admin.removeprefix("unix:")
    with httpx.Client(transport=httpx.HTTPTransport(verify=NO_TLS, uds=socket_path)) as admin:
        assert admin.post(f"http://envoy{path}").status_code == 200


def rows_of_file(stack: Deployment, who: Credential) -> list[UsageRow]:
    file = stack.settings.access_log_file
    assert file is not None
    entries = [entry for line in file.read_bytes().splitlines() if isinstance(entry := read_line(line), LogEntry)]
    return [row_of(entry, usage_of(entry)) for entry in entries if entry.decision.tenant_id == who.tenant_id]


def text(value: Any) -> Any:
    return str(value) if type(value).__name__ == "UUID" else value

"""Sessions and streams: to whom a session belongs, where it stays, what a list shows on its way through."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from tests.e2e.deployment import Credential, wait_for
from tests.e2e.mcp.conftest import ACCEPTS, Mcp
from tests.e2e.mcp.servers import Mode, Server, client, running

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": LATEST_HANDSHAKE_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
LIST = {"jsonrpc": "2.0", "id": "list", "method": "tools/list"}
SESSION = "mcp-session-id"


def listing(names: list[str]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "list", "result": {"tools": [{"name": name} for name in names]}}


def begin(mcp: Mcp, who: Credential, name: str) -> str:
    """The id of a new session."""
    answer = mcp.post(who, name, INITIALIZE)
    assert answer.status_code == 200, answer.text
    session = answer.headers[SESSION]
    assert mcp.post(who, name, {"jsonrpc": "2.0", "method": "notifications/initialized"}, mcp_session_id=session)
    return str(session)


def test_a_session_belongs_to_its_key_and_server(mcp: Mcp, servers: list[Server]) -> None:
    who, other = mcp.stack.tenant(), mcp.stack.tenant()
    one, two = (mcp.register(each) for each in servers)
    mcp.until_served(who, one)
    mcp.until_served(who, two)
    session = begin(mcp, who, one)
    assert mcp.post(who, one, LIST, mcp_session_id=session).status_code == 200
    raw = servers[0].took("POST")[-1]["headers"][SESSION]
    servers[1].took()
    assert raw not in session
    for stranger, name, said in ((other, one, session), (who, two, session), (who, one, raw), (who, one, session[:-9])):
        answer = mcp.post(stranger, name, LIST, mcp_session_id=said)
        assert (answer.status_code, answer.json()["id"]) == (404, "list")
        assert answer.json()["error"] == {"code": -32600, "message": "Session not found"}
    assert servers[0].took() == servers[1].took() == []
    path = f"/mcp/{one}"
    assert mcp.stack.envoy.delete(path, headers={**other.headers, SESSION: session}).status_code == 404
    assert mcp.stack.envoy.delete(path, headers={**who.headers, SESSION: session}).status_code == 200
    assert mcp.post(who, one, LIST, mcp_session_id=session).status_code == 404
    wait_for(lambda: {"POST", "DELETE"} <= {row["method"] for row in mcp.stack.usage(who)} or None, "both rows")


def test_a_session_stays_where_it_began(mcp: Mcp, servers: list[Server]) -> None:
    one, two = servers
    who = mcp.stack.tenant()
    name = mcp.register(one, endpoints=[{"url": two.url}])
    mcp.until_served(who, name)

    async def asked() -> list[str]:
        async def session() -> set[str]:
            async with client(mcp.url(name), who.secret, "legacy") as made:
                return {str((await made.call_tool("whoami")).structured_content) for _ in range(3)}

        found = [await session() for _ in range(6)]
        assert all(len(each) == 1 for each in found)
        return [each.pop() for each in found]

    assert len(set(asyncio.run(asked()))) == 2


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_list_shows_what_the_key_may_call(mcp: Mcp, plain: Server, servers: list[Server], mode: Mode) -> None:
    who, other = mcp.stack.tenant(), mcp.stack.tenant()
    for server in (plain, servers[0]):
        grants = [{"key": who.key_id, "tools": ["add"]}, {"tenant": who.tenant_id, "tools": ["text", "gone"]}]
        name = mcp.register(server, grants=[*grants, {"tenant": other.tenant_id, "tools": []}])
        mcp.until_served(who, name)

        async def listed(whose: Credential, name: str = name) -> list[str]:
            async with client(mcp.url(name), whose.secret, mode) as made:
                return [tool.name for tool in (await made.list_tools()).tools]

        assert asyncio.run(listed(who)) == ["add", "text"]
        assert asyncio.run(listed(other)) == []


class Trickling(BaseHTTPRequestHandler):
    """A server that writes its answer a few bytes at a time, and escapes letters."""

    protocol_version = "HTTP/1.1"
    EVENT = (
        f"data: {json.dumps(listing(['add', 'hidden'])).replace('tools', chr(92) + 'u0074ools')}\r\n\r\n: the end\n\n"
    )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at in range(0, len(self.EVENT), 3):
            part = self.EVENT[at : at + 3].encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


def test_an_event_in_many_chunks_shows_what_the_key_may_call(mcp: Mcp) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        who = mcp.stack.tenant()
        grants = [{"key": who.key_id, "tools": ["add"]}]
        name = mcp.register(f"http://127.0.0.1:{server.server_address[1]}/mcp", grants=grants)
        mcp.until_served(who, name)
        event, comment, _ = mcp.post(who, name, LIST).text.split("\n\n")
        assert json.loads(event.removeprefix("data: ")) == listing(["add"])
        assert comment == ": the end"
    finally:
        server.shutdown()
        server.server_close()


def test_a_stream_tells_of_progress_as_it_comes(mcp: Mcp, servers: list[Server]) -> None:
    who = mcp.stack.tenant()
    name = mcp.register(servers[0])
    mcp.until_served(who, name)
    seen: list[float] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async def call() -> Any:
        async with client(mcp.url(name), who.secret, "legacy") as made:
            return await made.call_tool("steps", {"count": 3}, progress_callback=told)

    assert asyncio.run(call()).structured_content == {"result": "done"}
    assert seen == [0, 1, 2]


def test_a_timeout_is_until_an_answer_begins(mcp: Mcp, servers: list[Server]) -> None:
    """A stream that has begun outlasts it."""
    who = mcp.stack.tenant()
    name = mcp.register(servers[0], timeout_seconds=2)
    mcp.until_served(who, name)
    servers[0].held.clear()

    async def call() -> Any:
        async with client(mcp.url(name), who.secret, "legacy") as made:
            threading.Timer(3.5, servers[0].held.set).start()
            return await made.call_tool("wait")

    assert asyncio.run(call()).structured_content == {"result": "waited"}


def test_a_session_has_a_stream_of_its_own_that_takes_no_place(mcp: Mcp, servers: list[Server]) -> None:
    who = mcp.stack.tenant(max_in_flight=1)
    name = mcp.register(servers[0])
    mcp.until_served(who, name)
    session = begin(mcp, who, name)
    headers = {**who.headers, **ACCEPTS, SESSION: session}
    with mcp.stack.envoy.stream("GET", f"/mcp/{name}", headers=headers) as stream:
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream")
        for _ in range(3):
            assert mcp.post(who, name, LIST, mcp_session_id=session).status_code == 200

    def ended() -> object:
        return next((row for row in mcp.stack.usage(who) if row["method"] == "GET"), None)

    assert wait_for(ended, "the row of the stream")


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    """It answers in plain JSON."""
    with running("plain", json_response=True) as server:
        yield server

"""What clients may try: other paths and headers, messages that servers could read in two ways; and limits."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from tests.e2e.deployment import wait_for
from tests.e2e.mcp.conftest import ACCEPTS, PING, Mcp
from tests.e2e.mcp.servers import Server, client
from tests.e2e.wire import request, send
from tollkeeper.up.process import free_port


def call(tool: object, id: object = 7, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


MESSAGES = [
    ("", -32600),
    ("[" + json.dumps(PING) + "," + json.dumps(call("add")) + "]", -32600),
    ("[]", -32600),
    ("{", -32600),
    ('{"jsonrpc":"2.0","id":1}', -32600),
    ('{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    ('{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
    ('{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"add"}}', -32600),
    ('{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"add"}}', -32600),
    ('{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call","params":{"name":"add"}}', -32600),
    ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","Name":"text"}}', -32600),
    ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","n\\u0061me":"text"}}', -32600),
    ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', -32602),
    (json.dumps(call("add\u0007")), -32602),
    (json.dumps(call("a" * 129)), -32602),
    (json.dumps(call({"name": "add"})), -32602),
    (json.dumps(call("text")), -32602),
]


def test_what_could_be_read_in_two_ways_is_refused(mcp: Mcp, servers: list[Server]) -> None:
    who = mcp.stack.tenant()
    name = mcp.register(servers[0], grants=[{"tools": ["add"]}])
    mcp.until_served(who, name)
    servers[0].took()
    headers = {**who.headers, **ACCEPTS, "content-type": "application/json"}
    for body, code in MESSAGES:
        answer = mcp.stack.envoy.post(f"/mcp/{name}", content=body, headers=headers)
        assert answer.status_code in (400, 403), body
        assert answer.json()["error"]["code"] == code, body
        assert answer.json()["jsonrpc"] == "2.0"
    assert servers[0].took() == []


HEADERS: list[dict[str, Any]] = [
    {"content_type": "application/json; charset=utf-7"},
    {"content_type": "application/json; charset=utf-8; charset=shift_jis"},
    {"mcp_name": "text"},
    {"mcp_method": "tools/list"},
    {"mcp_name": "=?base64?dGV4dA==?="},
    {"mcp_name": "=?base64?%?="},
    {"mcp_name": "\u00e9".encode()},
]


def test_headers_by_which_servers_read_another_message_are_refused(mcp: Mcp, servers: list[Server]) -> None:
    who = mcp.stack.tenant()
    name = mcp.register(servers[0], grants=[{"tools": ["add"]}])
    mcp.until_served(who, name)
    servers[0].took()
    for headers in HEADERS:
        answer = mcp.post(who, name, call("add", a=1, b=2), **headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600), headers
    assert servers[0].took() == []
    right = {
        "mcp_method": "tools/call",
        "mcp_name": "=?base64?YWRk?=",
        "content_type": 'application/json;charset="UTF-8"',
    }
    mcp.post(who, name, call("add", a=1, b=2), **right)
    assert len(servers[0].took()) == 1


def test_a_server_that_cannot_be_reached_is_told_of_as_the_protocol_has_it(mcp: Mcp) -> None:
    who, name = mcp.stack.tenant(), mcp.register(f"http://127.0.0.1:{free_port()}/mcp")

    def away() -> dict[str, Any] | None:
        answer = mcp.post(who, name, {**PING, "id": "mine"})
        return answer.json() if answer.status_code == 503 else None

    for _ in range(2):  # Envoy has no cluster at first, or nobody is there
        told = wait_for(away, "nobody is there")
        assert (told["jsonrpc"], told["id"], told["error"]["code"]) == ("2.0", "mine", -32603)


NO_SERVERS = [
    (422, {"url": "nowhere"}, "must begin with http"),
    (422, {"url": "http://169.254.169.254/mcp"}, "link-local"),
    (422, {"endpoints": [{"url": "http://metadata.google.internal"}]}, "keeps the credentials of a machine"),
    (422, {"grants": [{"tools": ["add\u0007"]}]}, "control characters"),
    (422, {"grants": [{"tools": ["add\u2028"]}]}, "cannot be printed"),
    (422, {"grants": [{"tenant": "nobody"}]}, "no tenant or key"),
    (422, {"tools_in_flight": {"a" * 129: 1}}, "at most 128"),
    (422, {"credential": "sk-1234"}, "env:VARIABLE or file:NAME"),
    (409, {"url": "http://nowhere.invalid/mcp"}, "resolves to nothing"),
    (409, {"credential": "env:TOLLKEEPER_DATABASE_URL"}, "gives no such variable"),
    (409, {"url": "https://127.0.0.1:9/mcp", "ca_file": "/nowhere.pem"}, "Envoy refuses it: Invalid path"),
]


@pytest.mark.parametrize(("status", "fields", "says"), NO_SERVERS, ids=str)
def test_a_server_that_cannot_be_is_refused_where_it_is_made(
    mcp: Mcp, status: int, fields: dict[str, Any], says: str
) -> None:
    before = mcp.stack.admin.get("/mcp-servers").json()
    body = {"name": "cannot-be", "url": "http://127.0.0.1:9/mcp", **fields}
    answer = mcp.stack.admin.post("/mcp-servers", json=body)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert mcp.stack.admin.get("/mcp-servers").json() == before


def test_no_other_way_leads_to_a_server(mcp: Mcp, servers: list[Server]) -> None:
    one, two = servers
    who, other = mcp.stack.tenant(), mcp.stack.tenant()
    mine = mcp.register(one, grants=[{"tenant": who.tenant_id}])
    others = mcp.register(two, grants=[{"tenant": other.tenant_id}])
    mcp.until_served(who, mine)
    mcp.until_served(other, others)
    one.took(), two.took()
    body = json.dumps(PING).encode()
    host, port = mcp.stack.envoy_address.split(":")
    paths = (
        f"/mcp/{mine}/../{others}", f"/mcp/{mine}/%2e%2e/{others}", f"/mcp/{mine}%2f..%2f{others}", f"/MCP/{others}",
        f"/mcp//{others}", f"/mcp/{others}/", f"/mcp/{others};{mine}", f"/mcp/{others}?{mine}", f"/mcp/{others}%00",
        f"/x/../mcp/{others}", f"/mcp/{others}/v1/models", "/mcp/", f"/v1/mcp/{others}",
    )  # fmt: skip
    spoofed = {
        "x-tollkeeper-cluster": "tollkeeper_authz",
        "x-tollkeeper-endpoint": "1 elsewhere /",
        "x-envoy-original-path": f"/mcp/{others}",
        "x-original-url": f"/mcp/{others}",
        "x-tenant-id": other.tenant_id,
        "x-key-id": other.key_id,
    }
    sent = {**who.headers, **ACCEPTS, "content-type": "application/json"}
    for path in paths:
        raw = request("POST", path, body, [*sent.items()]).replace(b"{credential}\r\n", b"")
        answer = send((host, int(port)), raw)
        assert answer.status in (400, 404), path
    refused = mcp.post(who, others, PING, **spoofed)
    assert (refused.status_code, refused.json()["id"]) == (404, 1)
    assert mcp.post(who, mine, PING, **spoofed).status_code == 400  # the server's own answer: no session
    assert two.took() == []
    (came,) = one.took()
    assert (came["headers"]["x-tenant-id"], came["headers"]["x-key-id"]) == (who.tenant_id, who.key_id)
    assert mcp.post(who, mine, PING, origin="https://elsewhere.example").status_code == 403
    assert mcp.post(who, mine, PING, origin="http://localhost:1.elsewhere.example").status_code == 403
    assert mcp.post(who, mine, PING, origin="http://localhost:3000").status_code == 400
    assert len(one.took()) == 1
    for method in ("PUT", "PATCH"):
        assert mcp.stack.envoy.request(method, f"/mcp/{mine}", headers=who.headers).status_code == 400
    assert mcp.stack.envoy.post(f"/mcp/{mine}", json=PING).json()["error"]["code"] == -32061
    assert one.took() == []


def test_limits_of_server_and_tool(mcp: Mcp, servers: list[Server]) -> None:
    who = mcp.stack.tenant()
    name = mcp.register(servers[0])
    mcp.until_served(who, name)
    for subject, amount in ((f"mcp/{name}/add", 2), (f"mcp/{name}", 50)):
        limit = {"tenant_id": who.tenant_id, "scope": "model", "model": subject, "unit": "requests", "amount": amount}
        answer = mcp.stack.admin.post("/limits", json={"name": subject, "window_seconds": 3600, **limit})
        assert answer.status_code == 201, answer.text

    async def calls() -> None:
        async with client(mcp.url(name), who.secret) as made:
            for _ in range(2):
                await made.call_tool("add", {"a": 1, "b": 1})
            with pytest.raises(
                MCPError, match=f"Rate limit reached for this model on requests.*mcp/{name}/add"
            ) as raised:
                await made.call_tool("add", {"a": 1, "b": 1})
            assert raised.value.error.code == -32089
            assert raised.value.error.data["retry_after_ms"] > 0
            assert (await made.call_tool("whoami")).structured_content == {"result": "one"}

    wait_for(lambda: mcp.stack.admin.get(f"/tenants/{who.tenant_id}/budgets").status_code == 200 or None, "budgets")
    asyncio.run(calls())


def test_a_bound_on_calls_in_flight_is_the_servers_own(mcp: Mcp, servers: list[Server]) -> None:
    who = mcp.stack.tenant()
    name = mcp.register(servers[0], max_in_flight=50, tools_in_flight={"wait": 1})
    mcp.until_served(who, name)
    servers[0].held.clear()

    async def waits() -> Any:
        async with client(mcp.url(name), who.secret) as made:
            return await made.call_tool("wait")

    def reached() -> int:
        return sum(each["headers"].get("mcp-name") == "wait" for each in servers[0].came)

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(asyncio.run, waits()) for _ in range(2)]
        wait_for(lambda: reached() == 1 or None, "the first call")
        wait_for(lambda: _queued(mcp) or None, "the second waits")
        assert reached() == 1
        servers[0].held.set()
        assert {str(each.result(30).structured_content) for each in calls} == {"{'result': 'waited'}"}
    queued = wait_for(lambda: [row for row in mcp.stack.usage(who) if row["tool"] == "wait"][1:] or None, "both rows")
    assert queued


def _queued(mcp: Mcp) -> bool:
    return bool(mcp.stack.admin.get("/fairshare/live").json()["queued"])


def test_what_comes_back_is_tokens_if_it_is_priced(mcp: Mcp, servers: list[Server]) -> None:
    who = mcp.stack.tenant()
    name = mcp.register(servers[0])
    model = {"name": f"mcp/{name}", "enabled": False, "output_price": "1000"}
    assert mcp.stack.admin.post("/models", json=model).status_code == 201
    mcp.until_served(who, name)

    def priced() -> dict[str, Any] | None:
        asyncio.run(calls())
        return next((row for row in mcp.stack.usage(who) if row["tool"] == "text" and row["output_tokens"]), None)

    async def calls() -> None:
        async with client(mcp.url(name), who.secret) as made:
            await made.call_tool("text", {"size": 9000})

    row = wait_for(priced, "a priced row")
    assert row["usage_source"] == "estimated"
    assert 2 * 2000 <= row["output_tokens"] < 6000  # as content, and as structured content
    assert float(row["output_cost"]) == pytest.approx(row["output_tokens"] / 1000)

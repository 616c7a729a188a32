"""The `mcp` package's client through Envoy, and real servers behind it: who may call what, and what the ledger says."""

import asyncio
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from tests.e2e.deployment import wait_for
from tests.e2e.mcp.conftest import Mcp
from tests.e2e.mcp.servers import VERSIONS, Mode, Server, client


@pytest.mark.parametrize(("mode", "version"), [("auto", VERSIONS[0]), ("legacy", VERSIONS[1])])
def test_a_client_calls_a_tool(mcp: Mcp, servers: list[Server], mode: Mode, version: str) -> None:
    one, _ = servers
    who = mcp.stack.tenant()
    name = mcp.register(one, grants=[{"tenant": who.tenant_id}])
    mcp.until_served(who, name)
    one.took()

    async def call() -> Any:
        async with client(mcp.url(name), who.secret, mode) as session:
            assert session.protocol_version == version
            assert {tool.name for tool in (await session.list_tools()).tools} == {
                "add",
                "whoami",
                "text",
                "steps",
                "wait",
            }
            return await session.call_tool("add", {"a": 2, "b": 3})

    assert asyncio.run(call()).structured_content == {"result": 5}
    came = one.took()
    assert {each["path"] for each in came} == {"/mcp"}
    assert not [each for each in came for name in each["headers"] if name.startswith(("x-tollkeeper", "x-envoy"))]
    assert who.secret not in str(came)
    rows = mcp.rows(who, 4)
    assert {(row["model"], row["path"]) for row in rows} == {(f"mcp/{name}", f"/mcp/{name}")}
    called = wait_for(
        lambda: next((r for r in mcp.stack.usage(who) if r["rpc_method"] == "tools/call"), None), "its row"
    )
    assert (called["tool"], called["status"], called["admission"]) == ("add", 200, "fast")
    assert (called["input_tokens"], called["output_tokens"], called["usage_source"]) == (0, 0, "none")


def test_who_may_not_call_it_is_told_so_in_json_rpc(mcp: Mcp, servers: list[Server]) -> None:
    one, _ = servers
    who, other = mcp.stack.tenant(), mcp.stack.tenant()
    name = mcp.register(one, grants=[{"key": who.key_id, "tools": ["add"]}])
    mcp.until_served(who, name)
    one.took()
    message = {"jsonrpc": "2.0", "id": "a-1", "method": "tools/call", "params": {"name": "add", "arguments": {}}}
    for status, answer in (
        (404, mcp.post(other, name, message)),
        (404, mcp.post(who, "nobody", message)),
        (403, mcp.post(who, name, {**message, "params": {"name": "text", "arguments": {}}})),
    ):
        assert answer.status_code == status, answer.text
        assert answer.json()["id"] == "a-1"
        assert "may not call" in answer.json()["error"]["message"]
    assert one.took() == []
    (refused,) = mcp.rows(other, 1)
    assert (refused["admission"], refused["denied_by"], refused["tool"]) == ("refused", "server_not_found", "add")

    async def call() -> None:
        async with client(mcp.url(name), who.secret) as session:
            await session.call_tool("text", {"size": 3})

    with pytest.raises(BaseExceptionGroup) as raised:
        asyncio.run(call())
    assert raised.group_contains(MCPError, match="may not call the tool 'text'", depth=None)

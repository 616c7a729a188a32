"""The whole chain on each supported version of Envoy: keys, reservation, usage, refusals; README names the versions."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mcp.shared.exceptions import MCPError

from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.envoys import VERSIONS, another_envoy, envoy_of
from tests.e2e.mcp.conftest import ACCEPTS, PING
from tests.e2e.mcp.servers import MODES, running
from tests.e2e.mcp.servers import client as mcp_client
from tests.web import NO_TLS, WEB

CHAT = "/v1/chat/completions"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12}


@pytest.fixture(scope="module", params=VERSIONS)
def envoy(stack: Deployment, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """Another Envoy in front of the running stack's sidecar and model server; its URL."""
    binary = envoy_of(request.param)
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert f"/{request.param}/" in said
    clusters = str(stack.settings.model_clusters)
    with another_envoy(stack, tmp_path_factory.mktemp("envoy"), stack.stub_url, binary, model_clusters=clusters) as url:
        yield url


def test_the_whole_chain(stack: Deployment, envoy: str) -> None:
    who = stack.tenant()
    with httpx.Client(verify=NO_TLS, base_url=envoy, timeout=30) as client:
        assert client.post(CHAT, json=BODY).status_code == 401
        plain = client.post(CHAT, json=BODY, headers=who.headers)
        assert plain.status_code == 200
        streamed = client.post(CHAT, json={**BODY, "stream": True}, headers=who.headers)
        events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
        leave_midway(client, who)
        listed = client.get("/v1/models", headers=stack.key(who.tenant_id, models_allowed=[MODEL]).headers)
        assert (listed.status_code, [model["id"] for model in listed.json()["data"]]) == (200, [MODEL])
        assert client.post("/v1/unknown", json=BODY, headers=who.headers).status_code == 404
        refused_midway = client.post(CHAT, content=b'{"model":"a","model":"b"}', headers=who.headers)
    assert (refused_midway.status_code, refused_midway.json()["error"]["code"]) == (400, "duplicate_key")
    rows = {(row["streamed"], row["aborted"]): row for row in stack.usage_when(who, 4) if row["admission"] != "refused"}
    for key, usage in (((False, False), plain.json()["usage"]), ((True, False), events[-1]["usage"])):
        row = rows[key]
        assert (row["input_tokens"], row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
        assert (row["usage_source"], row["model"]) == ("reported", MODEL)
        assert row["reserved_tokens"] >= 12
    left = rows[True, True]
    assert left["usage_source"] == "estimated"
    assert 0 < left["output_tokens"] < 400


def test_a_model_with_an_endpoint_and_a_cache(stack: Deployment, envoy: str) -> None:
    who = stack.tenant()
    fields = {"name": "led", "endpoint": f"{stack.stub_url}/v1", "upstream_name": f"{MODEL}-led"}
    made = stack.admin.post("/models", json=fields).json()
    try:
        with httpx.Client(verify=NO_TLS, base_url=envoy, timeout=30) as client:

            def served() -> httpx.Response | None:
                answer = client.post(CHAT, json={**BODY, "model": "led"}, headers=who.headers)
                return answer if answer.status_code == 200 else None

            assert wait_for(served, "the endpoint").json()["model"] == f"{MODEL}-led"
            stack.admin.put(f"/models/{made['id']}/cache", json={"enabled": True})
            for stream in (False, True):
                body = {**BODY, "model": "led", "temperature": 0, "stream": stream}
                first = client.post(CHAT, json=body, headers=who.headers)

                def again(body: dict[str, object] = body) -> httpx.Response | None:
                    answer = client.post(CHAT, json=body, headers=who.headers)
                    return answer if answer.headers.get("x-tollkeeper-cache") == "hit" else None

                assert wait_for(again, "an answer from the cache").content == first.content
    finally:
        stack.admin.delete(f"/models/{made['id']}")


def test_an_mcp_server(stack: Deployment, envoy: str) -> None:
    who, other = stack.tenant(), stack.tenant()
    with running("old") as server:
        grants = [{"tenant": who.tenant_id, "tools": ["add"]}]
        fields = {"name": "led", "url": server.url, "grants": grants}
        made = stack.admin.post("/mcp-servers", json=fields).json()
        try:
            asyncio.run(call_tools(f"{envoy}/mcp/led", who))
            headers = {**other.headers, **ACCEPTS}
            assert WEB.post(f"{envoy}/mcp/led", json=PING, headers=headers).json()["error"]["code"] == -32064
        finally:
            stack.admin.delete(f"/mcp-servers/{made['id']}")


async def call_tools(url: str, who: Credential) -> None:
    wait_for(lambda: WEB.post(url, json=PING, headers=who.headers).status_code not in (404, 503) or None, "the server")
    for mode in MODES:
        async with mcp_client(url, who.secret, mode) as session:
            assert [tool.name for tool in (await session.list_tools()).tools] == ["add"]
            assert (await session.call_tool("add", {"a": 2, "b": 3})).structured_content == {"result": 5}
            with pytest.raises(MCPError, match="may not call the tool 'text'"):
                await session.call_tool("text", {"size": 1})


def leave_midway(client: httpx.Client, who: Credential) -> None:
    body = {**BODY, "stream": True, "max_tokens": 400}
    headers = {**who.headers, "x-stub-tokens": "400", "x-stub-tokens-per-second": "50"}
    with client.stream("POST", CHAT, json=body, headers=headers) as answer:
        lines = answer.iter_lines()
        assert sum(next(lines).startswith("data: ") for _ in range(8)) >= 3


def test_a_budget_that_is_spent(stack: Deployment, envoy: str) -> None:
    who = stack.tenant(tokens_per_minute=100)
    headers = {**who.headers, "x-stub-tokens": "60"}
    with httpx.Client(verify=NO_TLS, base_url=envoy, timeout=30) as client:
        assert client.post(CHAT, json={**BODY, "max_tokens": 60}, headers=headers).status_code == 200
        refused = client.post(CHAT, json={**BODY, "max_tokens": 60}, headers=headers)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["x-ratelimit-limit-tokens"] == "100"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    first, second = stack.usage_when(who, 2)
    assert (first["usage_source"], second["admission"], second["input_tokens"]) == ("reported", "refused", 0)


def test_the_readme_names_the_versions() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    minors = [version.rsplit(".", 1)[0] for version in VERSIONS]
    found = re.search(r"Envoy ([\d., and]+) are tested", text)
    assert found is not None
    assert re.findall(r"\d+\.\d+", found[1]) == minors

"""`kill -9` of the sidecar and of Envoy while an MCP server's endpoint changes: no call goes where it should not."""

import os
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.mcp.conftest import ACCEPTS
from tests.e2e.mcp.servers import VERSIONS, Server, running
from tests.e2e.outages.test_crash import workers
from tests.web import NO_TLS

OURS = "io.modelcontextprotocol"
META = {
    f"{OURS}/protocolVersion": VERSIONS[0],
    f"{OURS}/clientInfo": {"name": "test", "version": "1"},
    f"{OURS}/clientCapabilities": {},
}
PAUSE = 0.05
# What ends just before the sidecar is killed, and has no line in the file yet as Envoy is killed too, is known by its
# lease alone, and gets its row as that ends.
SHORT_LEASES = {"lease_seconds": 20, "idle_timeout_seconds": 18}


class Calls:
    """One thread for each of some callers and tools, until it is left."""

    def __init__(self, place: Deployment, *callers: tuple[Credential, str]) -> None:
        self.answers: list[tuple[Credential, str, int]] = []
        self._place, self._stopping = place, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=each, daemon=True) for each in callers]

    def __enter__(self) -> "Calls":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, who: Credential, tool: str) -> None:
        params = {"name": tool, "arguments": {}, "_meta": META}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        said = {"mcp-protocol-version": VERSIONS[0], "mcp-method": "tools/call", "mcp-name": tool}
        with httpx.Client(verify=NO_TLS, base_url=f"http://{self._place.envoy_address}", timeout=30) as client:
            while not self._stopping.wait(PAUSE):
                try:
                    answer = client.post("/mcp/led", json=message, headers={**who.headers, **ACCEPTS, **said})
                    self.answers.append((who, tool, answer.status_code))
                except httpx.TransportError:
                    self.answers.append((who, tool, 0))


def test_no_call_goes_to_a_wrong_endpoint_unchecked_or_uncounted() -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(public_directory()))
        servers = {name: stack.enter_context(running(name)) for name in ("one", "two")}
        secrets = directory / "secrets"
        secrets.mkdir()
        for name in servers:
            (secrets / name).write_text(f"secret-of-{name}")
        settings = {"spares": True, "model_credentials_dir": secrets, **SHORT_LEASES}
        place = Deployment(directory / "stack", settings=settings)
        stack.callback(place.close)
        who, other = place.tenant(), place.tenant()
        answer = place.admin.post("/mcp-servers", json=led_to(servers["one"], who))
        assert answer.status_code == 201, answer.text
        path = f"/mcp-servers/{answer.json()['id']}"
        with Calls(place, (who, "whoami"), (who, "whoami"), (who, "text"), (other, "whoami")) as calls:
            for step, name in enumerate(("two", "one", "two")):
                answer = place.admin.put(path, json=led_to(servers[name], who))
                assert answer.status_code == 200, answer.text
                if step == 0:
                    for pid in workers(place).values():
                        os.kill(pid, signal.SIGKILL)
                if step == 1:
                    place.processes["envoy"].kill()
                    place.stack.envoy(place.settings, place.stub_url)
                seen = len(servers[name].came)
                wait_for(lambda: len(servers[name].came) > seen + 3 or None, f"calls at {name}", 60)  # noqa: B023
        came = {name: list(server.came) for name, server in servers.items()}
        for name, requests in came.items():
            assert {each["headers"]["x-led-to"] for each in requests} == {name}
            assert {each["headers"]["mcp-name"] for each in requests} == {"whoami"}
            assert {each["headers"]["x-key-id"] for each in requests} == {who.key_id}
            assert {each["headers"]["authorization"] for each in requests} == {f"Bearer secret-of-{name}"}
        assert 200 in {status for caller, tool, status in calls.answers if (caller, tool) == (who, "whoami")}
        assert {status for caller, tool, status in calls.answers if tool == "text"} <= {403, 404, 503, 0}
        assert {status for caller, _, status in calls.answers if caller is other} <= {404, 503, 0}
        assert [each for each in place.seen_upstream() if each["path"].startswith("/mcp")] == []
        ran = sum(map(len, came.values()))
        counted = "SELECT count(*) AS n FROM usage WHERE tenant_id = $1 AND admission <> 'refused' AND tool = 'whoami'"
        wait_for(lambda: rows(place, counted, who) >= ran or None, "a row for each", 60)


def rows(place: Deployment, query: str, who: Credential) -> int:
    return int(place.rows(query, who.tenant_id)[0]["n"])


def led_to(server: Server, who: Credential) -> dict[str, Any]:
    grants = [{"tenant": who.tenant_id, "tools": ["whoami"]}]
    said = {"headers": {"x-led-to": server.name}, "credential": f"file:{server.name}"}
    return {"name": "led", "url": server.url, "grants": grants, **said}

"""One fresh `tollkeeper up`, against which the command blocks of the control planes' documents run as shell scripts."""

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stub_model import StubOptions, create_app
from tests.conftest import public_directory
from tests.e2e.deployment import Credential
from tests.e2e.test_up import Up
from tests.jq import path_with_jq
from tests.warm import path_of_programs
from tests.web import NO_TLS
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

MODELS = ("qwen3-0-6b-instruct", "vllm-simulator")  # that the key manager's document has
RATE = 1000
DOCS = Path(__file__).parents[3] / "docs"
# As ChatAPI's document names them; the routes are those of its upstream.
SETTINGS = {
    "MASTER_API_KEY": DEV_ADMIN_TOKEN,
    "DEFAULT_RATE_LIMIT": str(RATE),
    "LOG_LEVEL": "debug",
    "TOLLKEEPER_ROUTES": "POST /rooms reads\nPOST /rooms/{id}/messages reads",
}


class Fresh:
    """What somebody who follows a document has: the two addresses, and a shell."""

    def __init__(self, directory: Path, upstream: str) -> None:
        self.directory = directory / "state"
        self.up = Up(self.directory, "--upstream", upstream, **SETTINGS)
        assert "Tollkeeper is up" in self.up.output(), self.up.output()
        self.admin_url, self.models_url = f"http://{self.up.admin}", f"http://{self.up.listen}"
        headers = {"authorization": f"Bearer {DEV_ADMIN_TOKEN}"}
        self.admin = httpx.Client(base_url=f"{self.admin_url}/api/v1", headers=headers, timeout=30, verify=NO_TLS)
        self.models = httpx.Client(base_url=self.models_url, timeout=30, verify=NO_TLS)
        self._path = path_with_jq(directory)

    def close(self) -> None:
        self.admin.close()
        self.models.close()
        self.up.close()

    def run(self, script: str, **variables: str) -> str:
        """What it prints; it must succeed."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        environment = {**os.environ, "PATH": self._path, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def quick_start(self, page: str, begin: str, **variables: str) -> str:
        """What the commands of a page's quick start print, from the first line that begins so; `tollkeeper` is ours."""
        found = re.search(r"## Quick start.*?^```sh\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)
        assert found is not None
        block = begin + found[1].partition(begin)[2]
        for host, ours in (("http://127.0.0.1:9090", self.admin_url), ("http://127.0.0.1:10000", self.models_url)):
            block = block.replace(host, ours)
        path = f"{path_of_programs()}{os.pathsep}{self._path}"
        return self.run(block, **{"PATH": path, **variables})

    def tenant(self, **key: Any) -> Credential:
        """A new tenant with a key that has these fields."""
        made = self.admin.post("/tenants", json={"name": f"tenant-{os.urandom(4).hex()}"}).raise_for_status().json()
        answer = self.admin.post(f"/tenants/{made['id']}/keys", json={"name": "test", **key}).raise_for_status().json()
        return Credential(made["id"], answer["key"]["id"], answer["secret"])

    def chat(self, headers: dict[str, str]) -> httpx.Response:
        body = {"model": MODELS[0], "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}
        return self.models.post("/v1/chat/completions", json=body, headers=headers)

    def used(self, tenant_id: str) -> dict[str, Any]:
        """What the ledger has of it."""
        found: dict[str, Any] = self.admin.get("/usage", params={"tenant_id": tenant_id}).json()
        return found


def values_of(said: str) -> list[Any]:
    """The JSON values that a script has printed one after the other."""
    found = []
    while said := said.strip():
        value, end = json.JSONDecoder().raw_decode(said)
        found.append(value)
        said = said[end:]
    return found


@contextmanager
def upstream() -> Iterator[str]:
    """The documents' servers in one: their models, and ChatAPI's rooms, which answer with what they were sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(with_rooms(create_app(StubOptions(models=MODELS))), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


def with_rooms(models: ASGIApp) -> ASGIApp:
    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/rooms"):
            await models(scope, receive, send)
            return
        request = Request(scope, receive)
        seen = {"path": scope["path"], "headers": dict(request.headers), "body": json.loads(await request.body())}
        await JSONResponse(seen, 201)(scope, receive, send)

    return served


@pytest.fixture(scope="package")
def fresh() -> Iterator[Fresh]:
    with public_directory() as directory, upstream() as url:
        running = Fresh(directory, url)
        for name in MODELS:
            body = {"name": name, "endpoint": url}
            running.admin.post("/models", json=body).raise_for_status()
        yield running
        running.close()

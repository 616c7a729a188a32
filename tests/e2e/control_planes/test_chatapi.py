"""ChatAPI's document against a whole stack, with an upstream that is no model server: data plane, errors, log lines."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment, wait_for

MASTER_KEY = "s08XLS75G2SHN3owC2WkYtcdddHpUPBJXCG/3cKc66M="
ROOMS = """
curl -s -X POST http://localhost:8080/rooms \\
-H "X-API-Key: $CHATAPI_KEY" \\
-H "X-User-Id: testuser" \\
-H "Content-Type: application/json" \\
-d '{"type": "dm", "members": ["alice", "bob"]}'
"""
MESSAGES = """
curl -s -X POST http://localhost:8080/rooms/room_abc123/messages \\
-H "X-API-Key: $CHATAPI_KEY" \\
-H "X-User-Id: alice" \\
-H "Content-Type: application/json" \\
-d '{"content": "Hello from my tenant!"}'
"""


class Rooms(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        seen = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body}
        answer = json.dumps(seen).encode()
        self.send_response(201)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def chat() -> Iterator[Deployment]:
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Rooms)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    names = {"MASTER_API_KEY": MASTER_KEY, "DEFAULT_RATE_LIMIT": "1000", "LOG_LEVEL": "debug"}
    routes = {"routes": "POST /rooms reads\nPOST /rooms/{id}/messages reads"}
    with pytest.MonkeyPatch.context() as environment, public_directory() as directory:
        for name, value in names.items():
            environment.setenv(name, value)
        url = f"http://127.0.0.1:{upstream.server_port}"
        deployment = Deployment(directory / "stack", settings=routes, upstream=url)
        yield deployment
        deployment.close()
    upstream.shutdown()
    upstream.server_close()


def create(chat: Deployment, name: str) -> dict[str, Any]:
    url, headers = f"http://{chat.admin_address}/admin/tenants", {"x-master-key": MASTER_KEY}
    found: dict[str, Any] = chat.envoy.post(url, json={"name": name}, headers=headers).raise_for_status().json()
    return found


def run(chat: Deployment, block: str, key: str) -> Any:
    script = block.replace("http://localhost:8080", f"http://{chat.envoy_address}")
    environment = {**os.environ, "CHATAPI_KEY": key}
    done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_the_blocks_of_the_document_reach_any_upstream(chat: Deployment) -> None:
    made = create(chat, "MyCompany")
    for block, path, user in ((ROOMS, "/rooms", "testuser"), (MESSAGES, "/rooms/room_abc123/messages", "alice")):
        seen = run(chat, block, made["api_key"])
        headers = seen["headers"]
        assert (seen["path"], headers["x-tenant-id"], headers["x-end-user-id"]) == (path, made["tenant_id"], user)
        assert not {"x-api-key", "x-user-id", "authorization"} & headers.keys()
        assert made["api_key"] not in json.dumps(seen)
    assert '"Hello from my tenant!"' in seen["body"]
    rows = wait_for(
        lambda: (
            found
            if len(found := chat.rows("SELECT * FROM usage WHERE tenant_id = $1 ORDER BY ts", made["tenant_id"])) == 2
            else None
        ),
        "two ledger rows",
    )
    assert [row["end_user_id"] for row in rows] == ["testuser", "alice"]
    (limit,) = chat.rows("SELECT requests_per_minute FROM tenants WHERE id = $1", made["tenant_id"])
    assert limit["requests_per_minute"] == 1000
    # A limit that the management API sets binds what ChatAPI made.
    url, master = f"http://{chat.admin_address}/api/v1/tenants/{made['tenant_id']}", f"Bearer {MASTER_KEY}"
    changed = chat.admin.patch(url, json={"requests_per_minute": 1}, headers={"authorization": master})
    assert changed.status_code == 200, changed.text
    refused = wait_for(
        lambda: answer if "error" in (answer := run(chat, ROOMS, made["api_key"])) else None, "the refusal by the limit"
    )
    assert refused["error"]["type"] in ("requests", "rate_limit_exceeded", "tokens")


def test_a_master_key_is_no_tenant_key_and_the_other_way_round(chat: Deployment) -> None:
    made = create(chat, "AnotherCompany")
    refused = run(chat, ROOMS, MASTER_KEY)
    assert refused["error"]["message"] == "Invalid API key"
    url = f"http://{chat.admin_address}/admin/tenants"
    answer = chat.envoy.post(url, json={"name": "x"}, headers={"x-master-key": made["api_key"]})
    assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized")


def test_the_log_lines_are_there_under_debug(chat: Deployment) -> None:
    made = create(chat, "StagingEnvironment")
    run(chat, ROOMS, made["api_key"])
    run(chat, ROOMS, "sk_" + "0" * 48)

    def found() -> list[dict[str, Any]] | None:
        text = (chat.directory / "logs" / "sidecar.log").read_text()
        lines = [json.loads(line) for line in re.findall(r"^\{.*\}$", text, re.MULTILINE)]
        validated = [each for each in lines if each.get("tenant_id") == made["tenant_id"]]
        invalid = [each for each in lines if each["msg"] == "Invalid API key"]
        return [validated[0], invalid[0]] if validated and invalid else None

    validated, invalid = wait_for(found, "both lines")
    assert (validated["level"], validated["msg"]) == ("info", "Tenant validated")
    assert (invalid["level"], invalid["error"]) == ("error", "tenant not found")

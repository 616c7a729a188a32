"""The portal's document against a running stack: the exercise, and its keys through Envoy until one is gone."""

import os
import re
import shutil
import subprocess

import httpx
import pytest

from tests.admin.portal import document
from tests.e2e.deployment import MODEL, Deployment, wait_for
from tests.web import NO_TLS
from tollkeeper.up import training

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="the document's commands need jq")
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


def test_the_exercise(stack: Deployment) -> None:
    url = f"http://{stack.admin_address}"
    script = (document.LOG_IN + document.EXERCISE).replace(document.HOST, url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=dict(os.environ), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    active, backup = re.findall(r"(?:Active|Backup): (xag_[0-9a-f]{48})", done.stdout)
    tenant = done.stdout.splitlines()[0].strip('"')
    for key in (active, backup):
        answer = stack.envoy.post("/v1/chat/completions", json=CHAT, headers={"x-api-key": key})
        assert answer.status_code == 200, answer.text
    body = {"email": training.EMAIL, "password": training.PASSWORD}
    with httpx.Client(verify=NO_TLS, base_url=url, timeout=30) as portal:
        token = portal.post("/auth/login", json=body).json()["token"]
        portal.headers["authorization"] = f"Bearer {token}"
        wait_for(
            lambda: portal.get(f"/dashboard/tenants/{tenant}/usage").json()["requests_this_month"] == 2 or None,
            "the usage of both requests",
        )
        assert portal.get("/dashboard/org/summary").json()["requests_this_month"] == 2
        first = portal.get(f"/tenants/{tenant}/keys").json()[0]
        assert portal.delete(f"/tenants/{tenant}/keys/{first['id']}").status_code == 204
    headers = {"x-api-key": active}
    wait_for(
        lambda: stack.envoy.post("/v1/chat/completions", json=CHAT, headers=headers).status_code == 401 or None,
        "the refusal of the revoked key",
    )
    # A limit that the key manager sets binds what the portal made.
    admin = {"authorization": "ADMIN dev-admin-token"}
    limit = {"token_limit": 20, "time_window": "1m"}
    with httpx.Client(verify=NO_TLS, base_url=url, timeout=30) as manager:
        assert manager.patch(f"/teams/{tenant}", json=limit, headers=admin).status_code == 200
    headers = {"x-api-key": backup}
    refused = wait_for(
        lambda: (
            answer
            if (answer := stack.envoy.post("/v1/chat/completions", json=CHAT, headers=headers)).status_code != 200
            else None
        ),
        "the refusal by the limit",
    )
    assert (refused.status_code, "token_limit" in refused.text) == (429, True)
    # A token of one's own, on the state of before: the account that everybody knows is locked out.
    training.prepare(url, "dev-admin-token", wanted=False)
    assert httpx.post(f"{url}/auth/login", json=body, verify=NO_TLS, timeout=30).status_code == 401

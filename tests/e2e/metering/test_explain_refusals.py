"""Every kind of refusal is explained by the id that the client was told: why, whose key it was, and what to do."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for

UNKNOWN = "sk_" + "0123456789abcdef" * 3
PASSWORD = "correct-horse-battery-staple-and-so-on-and-on"
Send = Callable[[Deployment, Credential], httpx.Response]


def with_headers(**headers: str) -> Send:
    def send(stack: Deployment, who: Credential) -> httpx.Response:
        named = {name.replace("_", "-"): value.format(key=who.secret) for name, value in headers.items()}
        return stack.envoy.post("/v1/chat/completions", headers=named, json={"model": MODEL})

    return send


def once_changed(method: str, path: str, **fields: Any) -> Send:
    def send(stack: Deployment, who: Credential) -> httpx.Response:
        changed = stack.admin.request(method, path.format(key=who.key_id, tenant=who.tenant_id), json=fields or None)
        assert changed.is_success, changed.text
        return wait_for(lambda: answer if (answer := stack.chat(who)).status_code != 200 else None, "the change")

    return send


def without_length(stack: Deployment, who: Credential) -> httpx.Response:
    parts = (b" " * 65_536 for _ in range(100))
    return stack.envoy.post("/v1/chat/completions", headers=who.headers, content=parts)


def looked_up(stack: Deployment, who: Credential) -> httpx.Response:
    assert stack.admin.patch(f"/keys/{who.key_id}", json={"models_allowed": ["other"]}).is_success
    return stack.envoy.get(f"/v1/models/{MODEL}", headers=who.headers)  # the key's first: no sidecar knows it yet


def expired(stack: Deployment, who: Credential) -> httpx.Response:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    return once_changed("PATCH", "/keys/{key}", expires_at=soon)(stack, who)


def not_allowed(stack: Deployment, who: Credential) -> httpx.Response:
    assert stack.admin.patch(f"/keys/{who.key_id}", json={"models_allowed": ["other"]}).is_success
    return stack.chat(who)


# What is said after "refused with STATUS"; whose it was: nobody's known, somebody's, or somebody's with its prefix.
NOBODY, ITS_TENANT, ITS_KEY = range(3)
CASES: dict[str, tuple[int, str, int, Send]] = {
    "missing": (401, "no API key was sent", NOBODY, with_headers()),
    "malformed": (401, "what was sent as an API key cannot be one", NOBODY, with_headers(authorization="Basic eA==")),
    "several": (
        401, "several API keys were sent, and they differ", NOBODY,
        with_headers(authorization="Bearer {key}", x_api_key=UNKNOWN),
    ),
    "unknown": (401, "no key has this secret", NOBODY, with_headers(x_api_key=UNKNOWN)),
    "no key of ours": (401, "no key has this secret", NOBODY, with_headers(x_api_key=PASSWORD)),
    "expired": (
        401, "the key, or this secret of it, has expired", ITS_KEY, expired,
    ),
    "disabled": (403, "the key is disabled", ITS_KEY, once_changed("PATCH", "/keys/{key}", disabled=True)),
    "suspended": (
        403, "the tenant of the key is suspended", ITS_KEY,
        once_changed("PATCH", "/tenants/{tenant}", status="suspended"),
    ),
    "too large": (413, "the body is larger than Envoy holds", ITS_TENANT, without_length),
    "key in the URL": (
        400, "a filter of ours refused it", NOBODY,
        lambda stack, _: stack.envoy.get(f"/v1/models?key={UNKNOWN}"),
    ),
    "model looked up": (404, "the model is not registered, or not enabled", ITS_KEY, looked_up),
    "model not allowed": (403, "the key may not use this model", ITS_TENANT, not_allowed),
    "invalid body": (
        400, "the body cannot be read", ITS_TENANT,
        lambda stack, who: stack.envoy.post("/v1/chat/completions", headers=who.headers, content=b"{"),
    ),
    "route": (
        404, "the route is in no table, or not open to keys", ITS_TENANT,
        lambda stack, who: stack.envoy.get("/nowhere", headers=who.headers),
    ),
    "limit": (429, "by the limit spend", ITS_TENANT, lambda stack, who: stack.chat(who, max_tokens=5000)),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_a_refusal_is_explained(stack: Deployment, kind: str) -> None:
    status, says, whose, send = CASES[kind]
    who = stack.tenant()
    if kind == "limit":
        limit = {"scope": "tenant", "tenant_id": who.tenant_id, "unit": "tokens", "amount": 100, "calendar": "day"}
        assert stack.admin.post("/limits", json={**limit, "name": "spend"}).status_code == 201
        who = stack.key(who.tenant_id)  # no sidecar knows it yet, so none has an older policy
    refused = send(stack, who)
    assert refused.status_code == status
    found = wait_for(lambda: explanation(stack, refused.headers["x-request-id"]), "the explanation")
    assert found["decision"].startswith(f"refused with {status}"), found
    assert says in found["decision"]
    assert found["advice"]
    assert (found["status"], found["tenant_id"]) == (status, "" if whose == NOBODY else who.tenant_id)
    prefix = who.secret[:18] if whose == ITS_KEY else UNKNOWN[:18] if kind == "unknown" else ""
    assert found.get("key_prefix", "") == prefix
    if whose == ITS_KEY:
        assert (found["key_id"], found["tenant"].startswith("tenant-")) == (who.key_id, True)
    assert not any(secret in json.dumps(found) for secret in (who.secret, UNKNOWN, PASSWORD))


def explanation(stack: Deployment, request_id: str) -> dict[str, Any] | None:
    answer = stack.admin.get(f"/requests/{request_id}").json()
    (found,) = answer.get("requests", []) + answer.get("denials", []) or [None]
    shown: dict[str, Any] | None = found
    return shown


def test_a_flood_costs_few_rows_and_hides_no_other_kind(stack: Deployment) -> None:
    who = stack.tenant()
    once_changed("PATCH", f"/keys/{who.key_id}", disabled=True)(stack, who)
    labels = [f"flood-{who.key_id}-{number}" for number in range(60)]
    for label in labels:
        assert stack.chat(who, {"x-request-id": label}).status_code == 403
    last = with_headers(authorization="Basic eQ==")(stack, who).headers["x-request-id"]
    wait_for(lambda: explanation(stack, last), "the last")
    kept = stack.rows("SELECT * FROM denials WHERE request_id = ANY ($1)", labels)
    assert 0 < len(kept) <= 20
    assert stack.usage(who) == []

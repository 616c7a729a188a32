"""Seed 000, step by step: a tenant, a key, a call; then each datastore is looked into."""

import hashlib
import json
import subprocess
from typing import Any

import pytest

from tests.e2e.deployment import Deployment, wait_for
from tollkeeper.up.stack import DEV_ADMIN_TOKEN


def curl(*arguments: str) -> Any:
    """What a user's curl prints, as JSON."""
    done = subprocess.run(["curl", "-sS", *arguments], check=True, capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)


def manage(stack: Deployment, path: str, body: str | None = None) -> Any:
    url = f"http://{stack.admin_address}/api/v1{path}"
    arguments = ["-H", f"Authorization: Bearer {DEV_ADMIN_TOKEN}"]
    if body is not None:
        arguments += ["-X", "POST", "-H", "Content-Type: application/json", "-d", body]
    return curl(url, *arguments)


@pytest.fixture(scope="module")
def walk(stack: Deployment) -> dict[str, Any]:
    """The walkthrough's three steps, and what each answered."""
    tenant = manage(stack, "/tenants", '{"name": "my-team", "weight": 200, "tokens_per_minute": 500000}')
    key = manage(stack, f"/tenants/{tenant['id']}/keys", '{"name":"prod"}')
    answer = curl(
        f"http://{stack.envoy_address}/v1/chat/completions",
        *("-H", f"Authorization: Bearer {key['secret']}", "-H", "Content-Type: application/json"),
        *("-d", '{"model":"mock-model","messages":[{"role":"user","content":"Hello from my-team"}],"max_tokens":32}'),
    )
    return {"tenant": tenant, "key": key, "secret": key["secret"], "answer": answer}


def test_the_tenant_has_the_documented_fields_in_order(walk: dict[str, Any]) -> None:
    tenant = walk["tenant"]
    documented = ["id", "name", "fairshare_group", "weight", "tokens_per_minute", "max_in_flight", "created_at"]
    assert list(tenant)[:8] == [*documented, "updated_at"]
    assert (tenant["name"], tenant["fairshare_group"], tenant["weight"]) == ("my-team", "default", 200)
    assert (tenant["tokens_per_minute"], tenant["max_in_flight"]) == (500_000, None)
    assert tenant["created_at"] == tenant["updated_at"]
    assert tenant["created_at"].endswith("Z")


def test_postgres_has_the_tenant_and_the_hash_of_the_key(stack: Deployment, walk: dict[str, Any]) -> None:
    (row,) = stack.rows(
        "SELECT t.name, k.key_hash, k.key_prefix FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE t.id = $1",
        walk["tenant"]["id"],
    )
    assert row["key_hash"] == hashlib.sha256(walk["secret"].encode()).hexdigest()
    assert row["key_prefix"] == walk["secret"][:18]


def test_redis_has_the_resolved_key(stack: Deployment, walk: dict[str, Any]) -> None:
    digest = hashlib.sha256(walk["secret"].encode()).hexdigest()
    with stack.redis() as client:
        text = client.get(f"tollkeeper:key:{digest}")
    assert isinstance(text, str)
    record = json.loads(text)
    assert (record["tenant_id"], record["weight"]) == (walk["tenant"]["id"], 200)
    assert record["tokens_per_minute"] == 500_000
    assert walk["secret"] not in text


def test_the_model_answers(walk: dict[str, Any]) -> None:
    answer = walk["answer"]
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


def test_the_budget_is_what_was_used(stack: Deployment, walk: dict[str, Any]) -> None:
    tenant_id = walk["tenant"]["id"]
    wait_for(lambda: stack.rows("SELECT 1 FROM usage WHERE tenant_id = $1", tenant_id) or None, "the ledger row")
    with stack.redis() as client:
        (key,) = client.scan_iter(f"tollkeeper:budget:{{{tenant_id}}}:*")
        state = client.hgetall(key)
    assert state, key


def test_the_ledger_has_the_request(stack: Deployment, walk: dict[str, Any]) -> None:
    rows = wait_for(
        lambda: (
            stack.rows(
                "SELECT tenant_id, model, admission, input_tokens, output_tokens, total_ms, usage_source FROM usage"
                " WHERE tenant_id = $1 ORDER BY ts DESC LIMIT 5",
                walk["tenant"]["id"],
            )
            or None
        ),
        "the ledger row",
    )
    (row,) = rows
    usage = walk["answer"]["usage"]
    assert (row["model"], row["admission"], row["usage_source"]) == ("mock-model", "fast", "reported")
    assert (row["input_tokens"], row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert row["total_ms"] >= 0


def test_the_usage_report_agrees(stack: Deployment, walk: dict[str, Any]) -> None:
    tenant_id = walk["tenant"]["id"]
    wait_for(lambda: stack.rows("SELECT 1 FROM usage WHERE tenant_id = $1", tenant_id) or None, "the ledger row")
    usage = manage(stack, f"/usage?tenant_id={tenant_id}")
    assert usage["requests"] == 1
    assert usage["input_tokens"] == walk["answer"]["usage"]["prompt_tokens"]


def test_the_audit_log_has_both_changes(stack: Deployment, walk: dict[str, Any]) -> None:
    audit = manage(stack, "/audit")
    entries = next(value for value in audit.values() if isinstance(value, list)) if isinstance(audit, dict) else audit
    ours = [entry for entry in entries if walk["tenant"]["id"] in json.dumps(entry)]
    assert {entry["action"] for entry in ours} >= {"create_tenant", "create_api_key"}
    assert walk["secret"] not in json.dumps(audit)


def test_every_banner_command_is_the_readme_s(stack: Deployment) -> None:
    """`make up` is tried in tests/e2e/test_up.py; here only that the addresses answer."""
    assert "tollkeeper_" in stack.metrics()

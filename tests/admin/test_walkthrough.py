"""The documented first steps, as a shell runs them: curl against a real server, then a look into each datastore."""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from tests.admin.conftest import TOKEN, Admin, Subscriber

CREATE_TENANT = """
curl -s -X POST $BASE/api/v1/tenants \
-H "Authorization: Bearer $TOKEN" \
-H "Content-Type: application/json" \
-d '{
"name": "my-team",
"weight": 200,
"tokens_per_minute": 500000
}'
"""
CREATE_KEY = """
curl -s -X POST "$BASE/api/v1/tenants/$TID/keys" \
-H "Authorization: Bearer $TOKEN" \
-H "Content-Type: application/json" \
-d '{"name":"prod"}'
"""
AUDIT = """curl -s $BASE/api/v1/audit -H "Authorization: Bearer $TOKEN" """
HASH = """printf '%s' "$SECRET" | sha256sum | awk '{print $1}'"""


def shell(admin: Admin, command: str, **variables: str) -> str:
    """What the command prints."""
    environment = {**os.environ, "BASE": admin.url, "TOKEN": TOKEN, **variables}
    done = subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run(admin: Admin, command: str, **variables: str) -> Any:
    return json.loads(shell(admin, command, **variables))


def test_the_first_tenant_and_key_are_found_in_every_datastore(admin: Admin, subscriber: Subscriber) -> None:
    text = shell(admin, CREATE_TENANT)
    tenant = json.loads(text)
    assert list(tenant)[:8] == [
        *("id", "name", "fairshare_group", "weight", "tokens_per_minute", "max_in_flight", "created_at", "updated_at")
    ]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", tenant["id"])
    assert (tenant["name"], tenant["fairshare_group"], tenant["weight"]) == ("my-team", "default", 200)
    assert (tenant["tokens_per_minute"], tenant["max_in_flight"]) == (500_000, None)
    assert tenant["created_at"] == tenant["updated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", tenant["created_at"])
    (row,) = admin.query("SELECT id, name, weight, tokens_per_minute FROM tenants")
    assert row == {"id": tenant["id"], "name": "my-team", "weight": 200, "tokens_per_minute": 500_000}

    created = run(admin, CREATE_KEY, TID=tenant["id"])
    secret = created["secret"]
    assert re.fullmatch(r"sk_[0-9a-f]{48}", secret)
    assert created["key"]["key_prefix"] == secret[:18]
    key_hash = shell(admin, HASH, SECRET=secret)
    assert subscriber.message() == key_hash

    (row,) = admin.query("SELECT key_hash, key_prefix, tenant_id, name FROM api_keys")
    assert row == {"key_hash": key_hash, "key_prefix": secret[:18], "tenant_id": tenant["id"], "name": "prod"}
    record = json.loads(admin.redis.get(f"tollkeeper:key:{key_hash}"))  # type: ignore[arg-type]
    assert (record["tenant_id"], record["tenant_name"]) == (tenant["id"], "my-team")
    assert (record["weight"], record["tokens_per_minute"]) == (200, 500_000)

    audit = run(admin, AUDIT)
    assert [entry["action"] for entry in audit["audit"]] == ["create_api_key", "create_tenant"]
    assert all(entry["ts"].endswith("Z") for entry in audit["audit"])


def test_the_same_command_again_says_that_the_name_is_taken(admin: Admin) -> None:
    run(admin, CREATE_TENANT)
    problem = run(admin, CREATE_TENANT)
    assert (problem["status"], problem["detail"]) == (409, "there is already a tenant named 'my-team'")


@pytest.mark.parametrize("content_type", ["", '-H "Content-Type: application/json"', '-H "Content-Type:"'])
def test_the_reference_commands(admin: Admin, content_type: str) -> None:
    tenant = run(
        admin,
        'curl -s -X POST $BASE/api/v1/tenants -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json"'
        """ -d '{"name": "acme", "weight": 200, "tokens_per_minute": 100000}'""",
    )
    assert (tenant["name"], tenant["tokens_per_minute"]) == ("acme", 100_000)
    changed = run(
        admin,
        'curl -s -X PATCH $BASE/api/v1/tenants/$ID/weight -H "Authorization: Bearer $TOKEN"'
        f""" {content_type} -d '{{"weight": 500}}'""",
        ID=tenant["id"],
    )
    assert (changed["weight"], changed["id"]) == (500, tenant["id"])
    created = run(
        admin,
        'curl -s -X POST $BASE/api/v1/tenants/$TENANT_ID/keys -H "Authorization: Bearer $TOKEN"'
        f""" {content_type} -d '{{"name": "prod-key"}}'""",
        TENANT_ID=tenant["id"],
    )
    assert list(created) == ["key", "secret"]
    assert created["key"]["id"]
    assert created["secret"].startswith(created["key"]["key_prefix"])

"""What operators do with tenants, keys, models, MCP servers and policies, over HTTP and down to the key's record."""

from typing import Any

import pytest

from tests.admin.conftest import Admin
from tests.admin.problems import refused


def record(admin: Admin, secret: str) -> dict[str, Any]:
    found = admin.record(secret)
    assert found is not None
    return found


def test_a_tenant_is_suspended_and_let_in_again(admin: Admin) -> None:
    tenant = admin.tenant()
    assert (tenant["status"], tenant["policy"], tenant["metadata"]) == ("active", None, {})
    secret = admin.key(tenant["id"])["secret"]
    for status, suspended in (("suspended", True), ("active", False)):
        answer = admin.http.patch(f"/tenants/{tenant['id']}", json={"status": status})
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert record(admin, secret)["suspended"] is suspended
    refused(admin.http.patch(f"/tenants/{tenant['id']}", json={"status": "asleep"}), 422)
    refused(admin.http.patch(f"/tenants/{tenant['id']}", json={"status": None}), 422)


def test_metadata_is_bounded_and_of_strings(admin: Admin) -> None:
    tenant = admin.tenant(metadata={"owner": "ann", "cost-center": "4711"})
    path = f"/tenants/{tenant['id']}"
    assert admin.http.patch(path, json={"metadata": {"owner": "bob"}}).json()["metadata"] == {"owner": "bob"}
    bad: Any
    for bad in (None, [], "x", {"a": 1}, {"a": None}, {"a b": "x"}, {"a": "x" * 1025}, {"a": "\x00"}, {"": "x"}):
        refused(admin.http.patch(path, json={"metadata": bad}), 422)
    refused(admin.http.patch(path, json={"metadata": {f"k{number}": "" for number in range(51)}}), 422)
    assert admin.http.get(path).json()["metadata"] == {"owner": "bob"}


def test_a_rotated_key_has_two_secrets_until_the_overlap_ends(admin: Admin) -> None:
    created = admin.key(admin.tenant()["id"], tokens_per_minute=5)
    path, old = f"/keys/{created['key']['id']}", created["secret"]
    rotated = admin.http.post(f"{path}/rotate", json={"overlap_seconds": 3600})
    assert rotated.status_code == 201, rotated.text
    key, new = rotated.json()["key"], rotated.json()["secret"]
    assert new != old
    assert (key["id"], key["key_prefix"], key["tokens_per_minute"]) == (created["key"]["id"], new[:18], 5)
    assert record(admin, new)["expires_at"] is None
    assert record(admin, old)["expires_at"][:16] == key["overlap_until"][:16]
    for secret in (old, new):
        assert record(admin, secret)["key_id"] == key["id"]
        found = admin.http.get("/keys", params={"prefix": secret[:18]}).json()["keys"]
        assert [each["id"] for each in found] == [key["id"]]
    admin.http.put(f"{path}/disabled", json={"disabled": True})
    assert record(admin, old)["disabled"] is record(admin, new)["disabled"] is True
    last = admin.http.post(f"{path}/rotate").json()
    assert last["key"]["overlap_until"] is None
    assert record(admin, old)["deleted"] is record(admin, new)["deleted"] is True
    assert record(admin, last["secret"])["key_id"] == key["id"]
    assert admin.http.delete(path).status_code == 204
    assert record(admin, last["secret"])["deleted"] is True
    assert all(secret[18:] not in admin.http.get("/audit").text for secret in (old, new, last["secret"]))
    refused(admin.http.post(f"{path}/rotate", json={"overlap_seconds": 5}), 404)


def test_an_overlap_is_bounded(admin: Admin) -> None:
    path = f"/keys/{admin.key(admin.tenant()['id'])['key']['id']}/rotate"
    for bad in (-1, 1.5, "60", True, None, 30 * 86_400 + 1):
        refused(admin.post(path, overlap_seconds=bad), 422)


def test_keys_are_found_by_prefix_but_a_whole_secret_is_not_for_urls(admin: Admin) -> None:
    secret = admin.key(admin.tenant()["id"])["secret"]
    assert admin.http.get("/keys", params={"prefix": "sk_nothing"}).json()["keys"] == []
    assert len(admin.http.get("/keys", params={"prefix": secret[:5]}).json()["keys"]) == 1
    for bad in (secret, "", "s%", "sk"):
        refused(admin.http.get("/keys", params={"prefix": bad}), 422)


def test_a_key_shows_when_it_was_last_used_and_moves_to_another_user(admin: Admin) -> None:
    created = admin.key(admin.tenant()["id"], user_id="ann")
    path = f"/keys/{created['key']['id']}"
    before = admin.http.get(path)
    assert before.json()["last_used_at"] is None
    admin.query("UPDATE api_keys SET last_used_at = '2026-01-15T10:00:00.5Z'")
    after = admin.http.get(path)
    assert after.json()["last_used_at"] == "2026-01-15T10:00:00Z"
    assert after.headers["etag"] == before.headers["etag"]
    assert admin.http.patch(path, json={"user_id": "bob"}).json()["user_id"] == "bob"
    assert record(admin, created["secret"])["user_id"] == "bob"
    assert admin.http.get(f"/tenants/{created['key']['tenant_id']}/users/bob").status_code == 200


def test_prices_of_models_are_exact(admin: Admin) -> None:
    prices = {"input_price": "0.15", "output_price": "123456789012.12345678", "cached_price": None}
    model = admin.post("/models", name="m", **prices, context_window=128_000).json()
    assert {name: model[name] for name in prices} == prices
    for bad in (0.15, 1, "1e3", "-1", "", ".5", "1.", "0.123456789", "1" * 13, True):
        refused(admin.post("/models", name="x", input_price=bad), 422)
    path = f"/models/{model['id']}"
    changed = admin.http.put(path, json={"name": "m", "input_price": "0.150"}).json()
    assert (changed["input_price"], changed["output_price"], changed["context_window"]) == ("0.15", None, None)
    cached = admin.http.put(f"{path}/cache", json={"enabled": True, "ttl_seconds": 60}).json()
    assert (cached["cache"]["ttl_seconds"], cached["input_price"]) == (60, "0.15")
    assert admin.http.put(path, json={"name": "m"}).json()["cache"] == cached["cache"]
    for endpoint in ("ftp://x", "http://", "https://user:pw@x", "x", "http://a b", "http://x:99999"):
        refused(admin.post("/models", name="x", endpoint=endpoint), 422)


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"endpoint": "http://169.254.169.254/latest"}, "endpoint"),
        ({"endpoint": "http://metadata.google.internal"}, "endpoint"),
        ({"endpoint": "http://[::ffff:169.254.1.1]"}, "endpoint"),
        ({"endpoint": "http://0xa9fea9fe"}, "endpoint"),
        ({"endpoint": "https://m.test/v1?key=x"}, "endpoint"),
        ({"endpoint": "http://m.test", "endpoints": [{"url": "http://n.test"}]}, "endpoints"),
        ({"endpoints": [{"url": "http://n.test"}, {"url": "http://n.test"}]}, "endpoints"),
        ({"endpoints": [{"url": "nowhere"}]}, "endpoints.0.url"),
        ({"endpoints": [{"url": "http://n.test", "weight": 0}]}, "endpoints.0.weight"),
        ({"endpoints": [{"url": "http://n.test", "credential": "sk-1234"}]}, "endpoints.0.credential"),
        ({"credential": "sk-1234"}, "credential"),
        ({"credential": "file:../etc/shadow"}, "credential"),
        ({"credential_header": "host"}, "credential_header"),
        ({"health_path": "health"}, "health_path"),
        ({"retries": 6}, "retries"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"targets": [{"model": "nobody"}]}, "targets"),
        ({"targets": [{"model": "m"}], "input_price": "1"}, "input_price"),
    ],
)
def test_what_no_model_can_be_reached_by_is_said(admin: Admin, fields: dict[str, Any], about: str) -> None:
    problem = refused(admin.post("/models", name="x", **fields), 422)
    assert [error["field"] for error in problem["errors"]] == [about], problem
    assert admin.http.get("/models").json()["models"] == []


def test_an_alias_of_models(admin: Admin) -> None:
    big = admin.post("/models", name="big", endpoints=[{"url": "http://a.test", "weight": 3}]).json()
    assert big["endpoints"] == [{"url": "http://a.test", "weight": 3, "priority": 0, "credential": None}]
    alias = admin.post("/models", name="fast", targets=[{"model": "big", "weight": 90}]).json()
    assert alias["targets"] == [{"model": "big", "weight": 90}]
    refused(admin.http.delete(f"/models/{big['id']}"), 409)


def test_a_policy_gives_its_limits_to_every_tenant_that_refers_to_it(admin: Admin) -> None:
    limit = {"name": "tpm", "unit": "tokens", "amount": 1000, "window_seconds": 60}
    made = admin.post("/policies", name="gold", description="For those who pay", limits=[limit])
    assert made.status_code == 201, made.text
    assert made.json()["limits"][0]["scope"] == "tenant"
    tenant = admin.tenant(policy="gold")
    secret = admin.key(tenant["id"])["secret"]
    assert "policy:gold:tpm" in str(record(admin, secret)["further_limits"])
    admin.http.put("/policies/gold", json={"limits": [limit | {"amount": 77}]})
    assert 77 in record(admin, secret)["further_limits"][0]
    refused(admin.http.delete("/policies/gold"), 409)
    admin.http.patch(f"/tenants/{tenant['id']}", json={"policy": None})
    assert record(admin, secret)["further_limits"] == []
    assert admin.http.delete("/policies/gold").status_code == 204
    refused(admin.http.patch(f"/tenants/{tenant['id']}", json={"policy": "gold"}), 422)
    refused(admin.post("/policies", name="x", limits=[limit, limit]), 422)
    refused(admin.post("/policies", name="x", limits=[limit | {"scope": "group"}]), 422)
    refused(admin.post("/policies", name="x", limits=[limit | {"calendar": "month"}]), 422)


def test_mcp_servers_hold_no_credentials(admin: Admin) -> None:
    server = {"name": "search", "url": "https://mcp.test/mcp", "headers": {"x-team": "ml"}}
    made = admin.post("/mcp-servers", **server)
    assert made.status_code == 201, made.text
    for header in ("Authorization", "cookie", "X-API-Key", "x-token", "a b"):
        refused(admin.post("/mcp-servers", **server | {"name": "x", "headers": {header: "v"}}), 422)
    for url in ("https://me:pw@mcp.test", "https://mcp.test?api_key=x", "https://mcp.test/?a=b&access_token"):
        refused(admin.post("/mcp-servers", **server | {"name": "x", "url": url}), 422)
        refused(admin.post("/models", name="x", endpoint=url), 422)
    refused(admin.post("/mcp-servers", **server), 409)
    path = f"/mcp-servers/{made.json()['id']}"
    changed = admin.http.put(path, json={"name": "search", "url": "https://b.test", "enabled": False}).json()
    assert (changed["url"], changed["headers"], changed["enabled"]) == ("https://b.test", {}, False)
    assert [each["name"] for each in admin.http.get("/mcp-servers").json()["mcp_servers"]] == ["search"]


def test_a_group_is_deleted_when_nobody_belongs_to_it(admin: Admin) -> None:
    admin.post("/fairshare/groups", name="research")
    tenant = admin.tenant(fairshare_group="research")
    refused(admin.http.delete("/fairshare/groups/research"), 409)
    refused(admin.http.delete("/fairshare/groups/default"), 409)
    admin.http.patch(f"/tenants/{tenant['id']}/group", json={"fairshare_group": "default"})
    assert admin.http.delete("/fairshare/groups/research").status_code == 204
    assert admin.http.get("/fairshare/groups/default").json()["name"] == "default"

"""Commands that rest on the whole of the API: rotation, prices, suspension, dry runs, roles, the registries."""

from typing import Any, Literal

import pytest

from tests.admin.conftest import Admin
from tests.cli.conftest import Command
from tollkeeper.cli.nouns import groups, keys, limits, mcp_servers, models, policies, registries, tenants
from tollkeeper.cli.resource import Resource

RESOURCES = (
    tenants.TENANTS,
    keys.KEYS,
    models.MODELS,
    groups.GROUPS,
    limits.LIMITS,
    policies.POLICIES,
    mcp_servers.MCP_SERVERS,
    registries.ADMIN_TOKENS,
)


def fields_of(schema: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """What the body of a request may hold."""
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
    return set(schema["components"]["schemas"][name]["properties"])


def sent(resource: Resource, verb: Literal["create", "update"]) -> set[str]:
    """What a command that is given every option sends."""
    return set(resource.to_api({field.name: "1" for field in resource.taken_by(verb)}))


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.noun)
def test_every_option_is_a_field_of_the_api(admin: Admin, resource: Resource) -> None:
    schema = admin.http.get("/openapi.json").json()
    item = schema["paths"][f"/api/v1{resource.route}"]
    path = "/tenants/{id}/keys" if resource is keys.KEYS else resource.path
    assert sent(resource, "create") <= fields_of(schema, schema["paths"][f"/api/v1{path}"]["post"])
    if change := item.get("patch") or item.get("put"):
        assert sent(resource, "update") <= fields_of(schema, change)


def test_a_user(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    assert run.json("user", "put", "acme", "ann", "--tokens-per-minute", "5k")["tokens_per_minute"] == 5000
    assert [user["id"] for user in run.json("user", "list", "acme")] == ["ann"]
    assert run.json("user", "put", "acme", "ann", "--email", "ann@acme.test")["tokens_per_minute"] is None
    assert run.json("user", "get", "acme", "ann")["email"] == "ann@acme.test"
    assert run("user", "get", "acme", "bob").code == 3
    run.ok("key", "create", "acme", "hers", "--user", "ann")
    assert run("user", "delete", "acme", "ann", "--yes").code == 4
    would = run.json("user", "delete", "acme", "ann", "--cascade", "--dry-run")
    assert would["deletes"] == {"users": 1, "api_keys": 1, "limits": 0}
    run.ok("user", "delete", "acme", "ann", "--cascade", "--yes")
    assert run.json("user", "list", "acme") == run.json("key", "list") == []


def test_a_rotation(run: Command, admin: Admin) -> None:
    run.ok("tenant", "create", "acme")
    old = run.json("key", "create", "acme", "prod")["secret"]
    assert run("key", "rotate", "prod").code == 2  # the old secret would end at once: that needs a yes
    rotated = run.json("key", "rotate", "prod", "--overlap", "3600")
    assert rotated["secret"] != old
    assert rotated["key"]["overlap_until"] is not None
    assert run.json("key", "get", old[:18])["id"] == rotated["key"]["id"]
    assert run.ok("key", "rotate", "prod", "--yes").out.splitlines()[-1].startswith("sk_")


def test_a_secret_given_as_a_reference_is_not_sent_whole(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    made = run.json("key", "create", "acme", "prod")
    assert run.json("key", "get", made["secret"])["id"] == made["key"]["id"]
    missing = run("key", "get", "sk_" + 48 * "0")
    assert (missing.code, 20 * "0" in missing.err) == (3, False)


def test_prices_and_the_cache_of_a_model(run: Command) -> None:
    made = run.json("model", "create", "m", "--input-price", "2.50", "--output-price", "10", "--context-window", "128k")
    assert (made["input_price"], made["context_window"]) == ("2.5", 128_000)
    cached = run.json("model", "cache", "m", "--enabled", "--ttl", "60", "--scope", "user", "--charge-percent", "10")
    assert (cached["cache"]["ttl_seconds"], cached["cache"]["scope"], cached["cache"]["charge_percent"]) == (
        60,
        "user",
        10,
    )
    assert run("model", "cache", "m", "--enabled", "--ttl", "0").code == 2
    assert "scope" in run("model", "cache", "m", "--enabled", "--scope", "everybody").err
    changed = run.json("model", "update", "m", "--output-price", "none")
    assert (changed["input_price"], changed["output_price"], changed["context_window"]) == ("2.5", None, 128_000)
    assert changed["cache"]["enabled"] is True


def test_a_suspension_and_metadata(run: Command) -> None:
    run.ok("tenant", "create", "acme", "--set", "metadata.team=ml", "--set", "metadata.floor=3rd")
    assert run.json("tenant", "suspend", "acme")["status"] == "suspended"
    activated = run.json("tenant", "activate", "acme")
    assert (activated["status"], activated["metadata"]) == ("active", {"team": "ml", "floor": "3rd"})


def test_a_dry_run_says_what_would_go(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    run.ok("key", "create", "acme", "prod")
    would = run.json("tenant", "delete", "acme", "--dry-run")
    assert (would["dry_run"], would["deletes"]["api_keys"]) == (True, 1)
    assert len(run.json("key", "list")) == 1


def test_named_policies(run: Command) -> None:
    limits = '[{"name": "calls", "scope": "tenant", "unit": "requests", "amount": 100, "window_seconds": 60}]'
    assert run.json("policy", "create", "free", "--set", f"limits={limits}")["name"] == "free"
    assert run.json("policy", "update", "free", "--description", "for trials")["limits"][0]["amount"] == 100
    run.ok("tenant", "create", "acme", "--policy", "free")
    assert run.json("tenant", "update", "acme", "--policy", "none")["policy"] is None
    assert [policy["name"] for policy in run.json("policy", "list")] == ["free"]
    run.ok("policy", "delete", "free", "--yes")


def test_mcp_servers(run: Command) -> None:
    tenant = run.json("tenant", "create", "acme")["id"]
    key = run.json("key", "create", "acme", "prod")["key"]["id"]
    url = ("--url", "https://mcp.example.com/mcp")
    made = run.json(
        "mcp-server", "create", "search", *url, "--grant", "everybody,tool=add", "--tool-in-flight", "add=4"
    )
    assert made["grants"] == [{"tenant": None, "key": None, "tools": ["add"]}]
    changed = run.json("mcp-server", "update", "search", "--disabled", "--tool-in-flight", "none")
    assert (changed["id"], changed["enabled"], changed["url"]) == (made["id"], False, made["url"])
    assert (changed["grants"], changed["tools_in_flight"]) == (made["grants"], {})
    named = run.json("mcp-server", "update", "search", "--grant", "tenant=acme", "--grant", "key=acme/prod,tool=add")
    granted = [{"tenant": tenant, "key": None, "tools": None}, {"tenant": None, "key": key, "tools": ["add"]}]
    assert named["grants"] == granted
    for grant in ("somebody", "tenant=acme,tenant=acme"):
        assert run("mcp-server", "update", "search", "--grant", grant).code == 2
    assert "no tenant 'nobody'" in run("mcp-server", "update", "search", "--grant", "tenant=nobody").err
    run.ok("mcp-server", "delete", "search", "--yes")
    assert run.json("mcp-server", "list") == []


def test_an_admin_token_of_a_viewer_may_read_and_no_more(run: Command) -> None:
    ran = run.ok("admin-token", "create", "ci", "--set", "role=viewer")
    token = ran.out.splitlines()[-1]
    assert run("tenant", "list", TOLLKEEPER_ADMIN_TOKEN=token).code == 0
    refused = run("tenant", "create", "acme", TOLLKEEPER_ADMIN_TOKEN=token)
    assert (refused.code, "viewer" in refused.err or "role" in refused.err) == (5, True)
    run.ok("admin-token", "delete", "ci", "--yes")
    assert run("tenant", "list", TOLLKEEPER_ADMIN_TOKEN=token).code == 5


def test_a_group_and_its_end(run: Command) -> None:
    run.ok("group", "create", "research")
    assert run.json("group", "get", "research")["weight"] == 100
    run.ok("group", "delete", "research", "--yes")
    assert run("group", "get", "research").code == 3
    assert run("group", "delete", "default", "--yes").code == 4


def test_the_audit_log_is_filtered(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    run.ok("group", "create", "research")
    assert [entry["action"] for entry in run.json("audit", "list", "--action", "create_group")] == ["create_group"]
    assert run.json("audit", "list", "--to", "1h") == []
    assert len(run.json("audit", "list", "--from", "1h")) == 2

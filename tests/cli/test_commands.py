"""What an operator and an operator's script do, noun by noun."""

import json
from pathlib import Path

from tests.admin.conftest import Admin
from tests.cli.conftest import Command


def test_a_tenant_from_beginning_to_end(run: Command) -> None:
    made = run.json("tenant", "create", "acme", "--weight", "200", "--tokens-per-minute", "500k")
    assert (made["name"], made["weight"], made["tokens_per_minute"]) == ("acme", 200, 500_000)
    assert run.json("tenant", "get", "acme") == run.json("tenant", "get", made["id"]) == made
    changed = run.json("tenant", "update", "acme", "--tokens-per-minute", "none", "--max-in-flight", "7")
    assert (changed["tokens_per_minute"], changed["max_in_flight"], changed["weight"]) == (None, 7, 200)
    assert [tenant["name"] for tenant in run.json("tenant", "list")] == ["acme"]
    assert run.json("tenant", "update", made["id"], "--name", "acme inc/2")["name"] == "acme inc/2"
    run.ok("tenant", "delete", "acme inc/2", "--yes")
    assert run.json("tenant", "list") == []


def test_tables_are_for_people(run: Command) -> None:
    run.ok("tenant", "create", "acme", "--tokens-per-minute", "500000")
    run.ok("tenant", "create", "[red]tricky\u202e")
    head, first, second = run.ok("tenant", "list").out.splitlines()
    assert head.split()[:2] == ["id", "name"]
    assert first.split()[1] == "acme"
    assert "[red]tricky?" in second  # neither markup nor a control character of a name does anything
    assert run.ok("tenant", "list", "--columns", "name,weight").out.splitlines()[0].split() == ["name", "weight"]
    assert "created_at" in run.ok("tenant", "list", "--columns", "all").out
    wrong = run("tenant", "list", "--columns", "name,colour")
    assert (wrong.code, "no such column: colour" in wrong.err) == (2, True)
    assert "nothing found" in run.ok("model", "list").err


def test_lists_go_on_to_the_last_page(run: Command, admin: Admin) -> None:
    statement = "INSERT INTO tenants (id, name) SELECT 't' || n, 'tenant ' || n FROM generate_series(1, 1005) n"
    admin.query(statement)
    assert len(run.json("tenant", "list")) == 1005
    assert len(run.json("tenant", "list", "--limit", "3")) == 3
    assert run.json("tenant", "get", "tenant 1005")["id"] == "t1005"


def test_a_key_and_its_secret(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    ran = run.ok("key", "create", "acme", "prod", "--model", "m", "--model", "n", "--user", "ann")
    secret = ran.out.splitlines()[-1]
    assert secret.startswith("sk_")
    assert "shown this once" in ran.err
    (key,) = run.json("key", "list")
    assert (key["key_prefix"], key["models_allowed"], key["user_id"]) == (secret[:18], ["m", "n"], "ann")
    assert "secret" not in json.dumps(key)
    assert run.json("key", "list", "--tenant", "acme") == [key]
    assert run.json("key", "disable", secret[:18])["disabled"] is True
    assert run.json("key", "enable", "prod")["disabled"] is False
    changed = run.json("key", "update", "prod", "--any-model", "--expires-at", "2099-01-01T00:00:00Z")
    assert (changed["models_allowed"], changed["expires_at"]) == (None, "2099-01-01T00:00:00Z")
    assert run.json("key", "update", "prod", "--expires-at", "none")["expires_at"] is None
    assert run.json("key", "create", "acme", "backup")["secret"].startswith("sk_")
    run.ok("key", "delete", key["id"], "--yes")
    assert [each["name"] for each in run.json("key", "list")] == ["backup"]


def test_two_keys_of_one_name_need_their_tenant(run: Command) -> None:
    tenants = [run.json("tenant", "create", name)["id"] for name in ("acme", "other")]
    keys = [run.json("key", "create", name, "prod")["key"] for name in ("acme", "other")]
    ran = run("key", "disable", "prod")
    assert ran.code == 4
    assert "2 keys are called 'prod': use an id or TENANT/NAME" in ran.err
    for tenant_id, key in zip(tenants, keys, strict=True):
        assert f"{key['id']}  tenant_id {tenant_id}  key_prefix {key['key_prefix']}" in ran.err
    assert run.json("key", "disable", "other/prod")["id"] == keys[1]["id"]
    assert run.json("key", "get", f"{tenants[0]}/prod")["id"] == keys[0]["id"]
    assert "there is no key 'other/none'" in run("key", "get", "other/none").err
    assert run.json("key", "create", "acme", "other/prod")["key"]["id"] == run.json("key", "get", "other/prod")["id"]
    for noun in ("tenant", "key", "model", "limit", "mcp-server", "policy", "group"):
        ran = run(noun, "get", "nobody")
        assert (ran.code, "nobody" in ran.err, "no " in ran.err) == (3, True, True), noun


def test_a_model_keeps_what_an_update_does_not_name(run: Command) -> None:
    made = run.json("model", "create", "org/llama:8b", "--disabled")
    assert made["enabled"] is False
    changed = run.json("model", "update", "org/llama:8b", "--name", "org/llama")
    assert (changed["id"], changed["name"], changed["enabled"]) == (made["id"], "org/llama", False)
    assert run.json("model", "update", "org/llama", "--enabled")["enabled"] is True
    run.ok("model", "delete", "org/llama", "--yes")
    assert run.json("model", "list") == []


def test_a_group(run: Command) -> None:
    assert run.json("group", "create", "research", "--weight", "300")["weight"] == 300
    assert run.json("group", "update", "research", "--weight", "50")["weight"] == 50
    assert run.json("group", "get", "research")["weight"] == 50
    assert [group["name"] for group in run.json("group", "list")] == ["default", "research"]


def test_capacity_and_what_goes_on(run: Command) -> None:
    assert run.json("runtime", "capacity")["max_in_flight"] is None
    assert run.json("runtime", "capacity", "--per-sidecar", "64", "--total", "1k")["max_in_flight_total"] == 1000
    assert run.json("runtime", "capacity", "--per-sidecar", "none")["max_in_flight"] is None
    assert "max_in_flight_total" in run.ok("runtime", "capacity").out
    assert run.json("runtime", "stats")["in_flight"] == 0
    assert run.json("runtime", "live")["tenants"] == []
    assert "default" in run.ok("runtime", "live").out


def test_the_audit_log(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    (entry,) = run.json("audit", "list", "--limit", "1")
    assert (entry["action"], entry["after"]["name"]) == ("create_tenant", "acme")
    assert "create_tenant" in run.ok("audit", "list").out


def test_fields_from_a_file_options_and_assignments(run: Command, tmp_path: Path) -> None:
    file = tmp_path / "tenant.json"
    file.write_text('{"name": "ignored", "weight": 1, "max_in_flight": 3}')
    made = run.json("tenant", "create", "acme", "--file", str(file), "--weight", "2", "--set", "weight=9")
    assert (made["name"], made["weight"], made["max_in_flight"]) == ("acme", 9, 3)
    stdin = run.json("tenant", "update", "acme", "-f", "-", stdin='{"weight": 4}')
    assert stdin["weight"] == 4


def test_what_is_run_again_with_its_key_is_done_once(run: Command) -> None:
    once = ("--idempotency-key", "deploy-7")
    made = run.json("tenant", "create", "acme", "--tokens-per-minute", "1", *once)
    assert run.json("tenant", "create", "acme", "--tokens-per-minute", "1", *once) == made
    charge = ("budget", "adjust", "acme", "tenant:tokens:60s", "--by", "-500", "--idempotency-key", "charge-7")
    assert run.json(*charge) == run.json(*charge)
    assert run.json("budget", "list", "acme")[0]["used"] in (499, 500)
    run.ok("key", "create", "acme", "prod", "--idempotency-key", "key-7")
    again = run("key", "create", "acme", "prod", "--idempotency-key", "key-7")
    assert (again.code, "shown once" in again.err) == (4, True)
    assert len(run.json("key", "list")) == 1
    assert run("tenant", "create", "other", *once).code == 2


def test_any_request(run: Command) -> None:
    made = run.ok("api", "post", "/tenants", "--set", "name=acme").json
    assert run.ok("api", "GET", f"/api/v1/tenants/{made['id']}").json == made
    assert run.ok("api", "delete", f"tenants/{made['id']}").out == ""
    assert run("api", "get", "/nowhere").code == 3


def test_limits_and_their_budgets(run: Command) -> None:
    tenant_id = run.json("tenant", "create", "acme")["id"]
    made = run.json(
        *("limit", "create", "--tenant", "acme", "--unit", "requests", "--amount", "10k", "--window", "day"),
        *("--name", "daily", "--time-zone", "Europe/Berlin"),
    )
    assert (made["scope"], made["tenant_id"], made["amount"], made["calendar"]) == ("tenant", tenant_id, 10_000, "day")
    money = run.json("limit", "create", "--tenant", "acme", "--unit", "cost", "--amount", "12.50", "--window", "3600")
    assert (money["amount"], money["window_seconds"]) == ("12.5", 3600)
    group = run.json("limit", "create", "--group", "default", "--unit", "tokens", "--amount", "5M", "--window", "60")
    model = run.json(
        *("limit", "create", "--tenant", "acme", "--model", "m", "--unit", "tokens", "--amount", "9", "--window", "60"),
        "--shadow",
    )
    assert (group["scope"], model["scope"], model["shadow"]) == ("group", "model", True)
    assert {each["id"] for each in run.json("limit", "list", "--tenant", "acme")} == {
        each["id"] for each in (made, money, model)
    }
    assert [each["id"] for each in run.json("limit", "list", "--group", "default")] == [group["id"]]
    assert run.json("limit", "update", "daily", "--amount", "20k")["amount"] == 20_000
    budgets = {each["limit"]: each for each in run.json("budget", "list", "acme")}
    assert (budgets["daily"]["used"], budgets["daily"]["remaining"]) == (0, 20_000)
    charged = run.json("budget", "adjust", "acme", budgets["daily"]["budget"], "--by", "-500")
    assert (charged["used"], charged["remaining"]) == (500, 19_500)
    assert run.json("budget", "audit", "--tenant", "acme") == []  # what an operator charged is accounted for
    assert run.json("budget", "mend", "--yes") == []
    run.ok("budget", "reset", "acme", "--budget", budgets["daily"]["budget"], "--yes")
    assert "daily" in run.ok("budget", "list", "acme").out
    assert {each["used"] for each in run.json("budget", "list", "acme")} == {0, "0"}
    run.ok("limit", "delete", "daily", "--yes")
    assert run("limit", "get", "daily").code == 3
    assert run("limit", "create", "--tenant", "acme", "--amount", "1").code == 2

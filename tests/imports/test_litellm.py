"""LiteLLM's own database, as it is here afterwards."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.backup.stores import empty_database, execute
from tests.cli.conftest import Ran
from tests.imports.litellm_database import budget, fill, key, rows, token_of
from tollkeeper.__main__ import app
from tollkeeper.up.postgres import Postgres

LATER = datetime(2099, 1, 1)
TABLES: dict[str, list[dict[str, Any]]] = {
    "LiteLLM_BudgetTable": [
        budget("member", max_budget=5.0, budget_duration="1d", rpm_limit=7),
        budget("shared", tpm_limit=900, max_budget=2.5, budget_duration="7d", max_parallel_requests=3),
    ],
    "LiteLLM_TeamTable": [
        {"team_id": "9f1c", "team_alias": "Research", "models": ["gpt-4o", "mock-model"], "tpm_limit": 5000,
         "rpm_limit": 60, "max_budget": 100.0, "spend": 12.5, "budget_duration": "30d", "max_parallel_requests": 9},
        {"team_id": "stopped team", "team_alias": "Research", "blocked": True, "models": []},
        {"team_id": "litellm-dashboard", "team_alias": "UI", "models": []},
    ],
    "LiteLLM_UserTable": [
        {"user_id": "ann@example.com", "user_email": "ann@example.com", "models": [], "max_budget": 10.0,
         "budget_duration": "1h", "tpm_limit": 11},
        {"user_id": "nobody", "models": []},
    ],
    "LiteLLM_TeamMembership": [{"user_id": "bob", "team_id": "9f1c", "budget_id": "member", "spend": 1.0}],
    "LiteLLM_VerificationToken": [
        key("sk-research", key_alias="prod", team_id="9f1c", user_id="bob", models=["mock-model", "other"], rpm_limit=5,
            expires=LATER, tpd_limit=100_000),
        key("sk-of-ann", user_id="ann@example.com", models=["all-proxy-models"], budget_id="shared"),
        key("sk-blocked", key_alias="blocked", team_id="9f1c", blocked=True, models=["all-team-models"]),
        key("sk-spent", key_alias="spent", models=[], max_budget=3.0, spend=3.5),
        key("sk-left", key_alias="left", models=["none/*"], max_budget=3.0, spend=0.5, model_max_budget={"gpt": 1}),
        key("sk-nothing", key_alias="nothing", models=[], rpm_limit=0),
        key("sk-manages", key_alias="manages", models=[], allowed_routes=["management_routes"]),
        key("sk-lost", key_alias="lost", team_id="gone", models=[]),
        key("sk-odd", key_alias="odd\x1b[31m", models=[], max_budget=1.0, budget_duration="fortnight"),
        key("sk-ui", team_id="litellm-dashboard", models=[]),
        {"token": "sk-clear", "key_name": "sk-...lear", "key_alias": "clear", "models": []},
        {"token": "nonsense", "key_name": "sk-...", "key_alias": "nonsense", "models": []},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def litellm(postgres: Postgres) -> Iterator[str]:
    with empty_database(postgres, "litellm") as url:
        fill(url, TABLES)
        yield url


def run(database_url: str, *arguments: str, stdin: str | None = None) -> Ran:
    known = {"TOLLKEEPER_DATABASE_URL": database_url, "COLUMNS": "300"}
    result = CliRunner().invoke(app, ["import", "litellm", *arguments], env=known, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def imported(database_url: str, source: str, *arguments: str) -> Any:
    ran = run(database_url, source, "--json", *arguments)
    assert ran.code == 0, ran
    return json.loads(ran.out)


def counts(said: Any) -> list[tuple[int, int]]:
    return [(said[kind]["made"], said[kind]["there"]) for kind in ("tenants", "users", "keys", "limits")]


def test_all_of_it_comes_over(litellm: str, database_url_sync: str) -> None:
    said = imported(database_url_sync, litellm)
    assert counts(said) == [(3, 0), (2, 0), (8, 0), (7, 0)]
    tenants = {row["id"]: row for row in rows(database_url_sync, "SELECT * FROM tenants")}
    team = tenants.pop("9f1c")
    assert [team[name] for name in ("name", "tokens_per_minute", "requests_per_minute", "max_in_flight", "status")] == [
        "Research", 5000, 60, 9, "active",
    ]  # fmt: skip
    other = tenants.pop("litellm")
    assert (other["name"], other["status"]) == ("litellm", "active")
    (stopped,) = tenants.values()
    assert (stopped["status"], json.loads(stopped["metadata"])) == ("suspended", {"litellm_team_id": "stopped team"})
    assert stopped["name"].startswith("Research (")
    keys = {row["name"]: row for row in rows(database_url_sync, "SELECT * FROM api_keys")}
    prod = keys["prod"]
    assert (prod["key_hash"], prod["key_prefix"]) == (token_of("sk-research"), "sk-...arch")
    assert [prod[name] for name in ("tenant_id", "user_id", "models_allowed", "requests_per_minute")] == [
        "9f1c", "bob", ["mock-model"], 5,
    ]  # fmt: skip
    assert prod["expires_at"].isoformat() == "2099-01-01T00:00:00+00:00"
    ann = keys["sk-...-ann"]
    assert [ann[name] for name in ("tenant_id", "user_id", "models_allowed", "tokens_per_minute", "max_in_flight")] == [
        "litellm", "ann@example.com", None, 900, 3,
    ]  # fmt: skip
    assert keys["blocked"]["models_allowed"] == ["gpt-4o", "mock-model"]
    assert keys["clear"]["key_hash"] == token_of("sk-clear")
    assert {name for name, row in keys.items() if row["disabled"]} == {"blocked", "spent", "nothing", "manages"}
    assert "sk-clear" not in str(rows(database_url_sync, "SELECT * FROM audit_log")) + str(keys)


def test_budgets_are_limits_of_the_same_windows(litellm: str, database_url_sync: str) -> None:
    imported(database_url_sync, litellm)
    limits = {
        (row["scope"], row["key"] or row["user_id"] or row["tenant_id"], row["unit"]): row
        for row in rows(
            database_url_sync, "SELECT l.*, k.name AS key FROM limits l LEFT JOIN api_keys k ON k.id = l.key_id"
        )
    }
    found = {whose: (row["amount"], row["calendar"] or row["window_seconds"]) for whose, row in limits.items()}
    assert found == {
        ("tenant", "9f1c", "cost"): (100_000_000, "month"),
        ("user", "bob", "cost"): (5_000_000, "day"),
        ("user", "ann@example.com", "cost"): (10_000_000, "hour"),
        ("key", "prod", "tokens"): (100_000, "day"),
        ("key", "sk-...-ann", "cost"): (2_500_000, "week"),
        ("key", "spent", "cost"): (1, 100 * 366 * 86_400),
        ("key", "left", "cost"): (2_500_000, 100 * 366 * 86_400),
    }
    assert {row["kind"] for row in limits.values()} == {"fixed_window"}
    users = {row["id"]: row for row in rows(database_url_sync, "SELECT * FROM users")}
    assert users["bob"]["requests_per_minute"] == 7
    assert users["ann@example.com"]["tokens_per_minute"] == 11


def test_what_is_not_as_it_was_is_said(litellm: str, database_url_sync: str) -> None:
    said = defaultdict(list)
    for each in imported(database_url_sync, litellm)["left"]:
        said[each["what"]].append(each["why"])
    assert "its team gone is not there" in said["key lost"]
    assert any("fortnight" in why for why in said["key odd?[31m"])
    assert "its hash is no SHA-256" in said["key nonsense"][0]
    assert "management_routes" in said["key manages"][0]
    assert any("patterns" in why for why in said["key left"])
    assert any("model_max_budget" in why for why in said["key left"])
    assert any("until 2070" in why for why in said["key left"])
    assert any("12.5 of 100 are spent" in why for why in said["team 9f1c"])
    assert not {"key sk-...h-ui", "team litellm-dashboard"} & said.keys()


def test_a_dry_run_makes_nothing_and_a_second_import_neither(litellm: str, database_url_sync: str) -> None:
    would = imported(database_url_sync, litellm, "--dry-run")
    assert counts(would) == [(3, 0), (2, 0), (8, 0), (7, 0)]
    assert rows(database_url_sync, "SELECT 1 FROM tenants") == []
    first = imported(database_url_sync, litellm)
    assert first["left"] == would["left"]
    execute(database_url_sync, "UPDATE api_keys SET name = 'ours', disabled = true WHERE name = 'prod'")
    log = rows(database_url_sync, "SELECT count(*) AS n FROM audit_log")
    assert counts(imported(database_url_sync, litellm)) == [(0, 3), (0, 2), (0, 8), (0, 7)]
    assert rows(database_url_sync, "SELECT count(*) AS n FROM audit_log") == log
    assert len(rows(database_url_sync, "SELECT 1 FROM api_keys WHERE name = 'ours' AND disabled")) == 1


def test_a_tenant_of_the_same_name_stops_nothing(litellm: str, database_url_sync: str) -> None:
    execute(database_url_sync, "INSERT INTO tenants (id, name) VALUES ('ours', 'Research')")
    assert counts(imported(database_url_sync, litellm))[0] == (3, 0)
    names = {row["id"]: row["name"] for row in rows(database_url_sync, "SELECT id, name FROM tenants")}
    assert names["9f1c"] == "Research (9f1c)"


def test_tables_for_people(litellm: str, database_url_sync: str) -> None:
    ran = run(database_url_sync, "-", "--dry-run", "--tenant", "rest", stdin=f"{litellm}\n")
    assert "keys: 8 would be made, 0 there already" in ran.out
    assert "\x1b" not in ran.out


def test_another_database_is_refused_and_no_password_shown(litellm: str, database_url_sync: str) -> None:
    assert "is it LiteLLM's?" in run(database_url_sync, database_url_sync).err
    ran = run(database_url_sync, "postgresql://u:hunter2@127.0.0.1:1/none")
    assert (ran.code, "hunter2" in ran.err + ran.out) == (1, False)
    ran = run(database_url_sync, "nonsense://u:hunter2@h")
    assert (ran.code, "hunter2" in ran.err + ran.out) == (1, False)
    ran = run("postgresql://u@127.0.0.1:1/none", litellm)
    assert (ran.code, "repeat the import" in ran.err) == (1, True)
    assert run(database_url_sync, litellm, "--tenant", "no good").code == 2

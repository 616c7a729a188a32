"""The key manager's Secrets and TokenRateLimitPolicy, as kubectl prints them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tenancy.values.secret import hash_secret
from tests.cli.conftest import Ran
from tests.imports.litellm_database import rows
from tollkeeper.__main__ import app

SECRET = "Yk3jD0aQm9n4sX7pLr2tVw8zBc5eHf1gKu6iOy-_AAAAAAAA"


def secret(name: str, labels: dict[str, str], annotations: dict[str, str], key: str | None = None) -> dict[str, Any]:
    data = {"api_key": base64.b64encode(key.encode()).decode()} if key is not None else {"team_config": "YWN0aXZl"}
    metadata = {"name": name, "namespace": "llm", "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


def team(team_id: str, **annotations: str) -> dict[str, Any]:
    notes = {f"maas/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return secret(f"team-{team_id}-config", {"maas/resource-type": "team-config", "maas/team-id": team_id}, notes)


def team_key(name: str, team_id: str, user: str, key: str, **annotations: str) -> dict[str, Any]:
    labels = {"maas/resource-type": "team-key", "kuadrant.io/apikeys-by": "rhcl-keys", "maas/team-id": team_id}
    notes = {f"maas/{each.replace('_', '-')}": value for each, value in annotations.items()}
    return secret(name, {**labels, "maas/user-id": user}, notes, key)


def limit(policy: str, tokens: int, window: str, *counters: str) -> dict[str, Any]:
    return {
        policy: {
            "rates": [{"limit": tokens, "window": window}],
            "when": [{"predicate": f'auth.identity.groups.split(",").exists(g, g == "{policy}")'}],
            "counters": [{"expression": each} for each in counters],
        }
    }


LIMITS = {
    "kind": "TokenRateLimitPolicy",
    "spec": {"limits": limit("test-tokens", 100_000, "1h", "auth.identity.userid") | limit("shared", 500, "1h30m")},
}
STORE = [
    team("test-team", team_name="Test Team", description="for tests", policy="test-tokens"),
    team("other", team_name="Test Team", policy="shared"),
    team("free", team_name="Free", policy="unlimited-policy"),
    team_key("apikey-ann-test-team-0119cba6", "test-team", "ann", SECRET, user_email="ann@test.com", status="active"),
    team_key("apikey-bob-other-1", "other", "bob", "another-key", models_allowed="m1, m2", status="inactive"),
    team_key("apikey-eve-gone-1", "gone", "eve", "lost"),
    team_key("apikey-eve-other-2", "other", "eve", "two words"),
    team_key("apikey-eve-other-3", "other", "e v e", "limited", custom_limits='{"tokens": 5}'),
    {"kind": "Secret", "metadata": {"name": "someone's", "labels": {}}, "data": {"password": "c2VjcmV0"}},
    LIMITS,
]


def run(database_url: str, *arguments: str, stdin: str = "") -> Ran:
    known = {"TOLLKEEPER_DATABASE_URL": database_url, "COLUMNS": "300"}
    result = CliRunner().invoke(app, ["import", "key-manager", *arguments], env=known, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def imported(database_url: str, *objects: dict[str, Any]) -> Any:
    ran = run(database_url, "-", "--json", stdin=json.dumps({"kind": "List", "items": objects}))
    assert ran.code == 0, ran
    return json.loads(ran.out)


def test_teams_keys_and_limits_come_over(database_url_sync: str) -> None:
    said = imported(database_url_sync, *STORE)
    assert [said[kind]["made"] for kind in ("tenants", "users", "keys", "limits")] == [3, 3, 3, 2]
    tenants = {row["id"]: row for row in rows(database_url_sync, "SELECT * FROM tenants")}
    assert {each["display_name"] for each in tenants.values()} == {"Test Team", "Free"}
    keys = {row["name"]: row for row in rows(database_url_sync, "SELECT * FROM api_keys")}
    ann, bob = keys["apikey-ann-test-team-0119cba6"], keys["apikey-bob-other-1"]
    assert (ann["key_hash"], ann["tenant_id"], ann["user_id"], ann["models_allowed"], ann["disabled"]) == (
        hash_secret(SECRET), "test-team", "ann", None, False,
    )  # fmt: skip
    assert (bob["models_allowed"], bob["disabled"]) == (["m1", "m2"], True)
    limits = {row["tenant_id"]: row for row in rows(database_url_sync, "SELECT * FROM limits")}
    assert [limits["test-team"][name] for name in ("scope", "amount", "window_seconds", "kind")] == [
        "user", 100_000, 3600, "fixed_window",
    ]  # fmt: skip
    assert [limits["other"][name] for name in ("name", "scope", "amount", "window_seconds")] == [
        "token_limit", "tenant", 500, 5400,
    ]  # fmt: skip
    left = {each["what"]: each["why"] for each in said["left"]}
    assert left["key apikey-eve-gone-1"] == "its team gone is not there"
    assert "cannot be a key" in left["secret apikey-eve-other-2"]
    assert "custom_limits" in left["key apikey-eve-other-3"]
    assert "two words" not in json.dumps(said)


def test_a_second_import_makes_nothing(database_url_sync: str) -> None:
    imported(database_url_sync, *STORE)
    said = imported(database_url_sync, *STORE)
    assert [said[kind]["made"] for kind in ("tenants", "users", "keys", "limits")] == [0, 0, 0, 0]


def test_no_key_is_kept_but_its_hash(database_url_sync: str) -> None:
    imported(database_url_sync, *STORE)
    everything = str([rows(database_url_sync, f"SELECT * FROM {name}") for name in ("api_keys", "audit_log", "users")])  # noqa: S608
    assert SECRET not in everything
    assert "another-key" not in everything


def test_files_and_what_was_not_given(database_url_sync: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"items": STORE[:-1]}))
    ran = run(database_url_sync, str(file), "--dry-run")
    assert "keys: 3 would be made, 0 there already" in ran.out
    assert "no TokenRateLimitPolicy was given" in ran.out
    (tmp_path / "limits.json").write_text(json.dumps(LIMITS))
    ran = run(database_url_sync, str(file), str(tmp_path / "limits.json"), "--dry-run")
    assert "limits: 2 would be made" in ran.out
    assert "was given" not in ran.out


def test_names_that_others_chose_write_nothing_at_a_terminal(database_url_sync: str) -> None:
    odd = team_key("apikey-eve\x1b[2K\nkeys: 9 made", "gone", "eve", "lost")
    ran = run(database_url_sync, "-", stdin=json.dumps({"kind": "List", "items": [STORE[0], odd]}))
    assert "apikey-eve?[2K?keys: 9 made" in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize("text", ["", "[]", "null", "3", "{}", '{"items": 3}', '{"items": [{"kind": "Secret"}]}'])
def test_other_files_are_refused(database_url_sync: str, text: str) -> None:
    ran = run(database_url_sync, "-", stdin=text)
    assert (ran.code, "cannot be read" in ran.err) == (1, True), ran


@pytest.mark.parametrize(
    "broken",
    [{"data": None}, {"data": {"api_key": "§"}}, {"data": []}, {"data": {"api_key": 3}}, {"metadata": {"labels": []}}],
)
def test_a_broken_secret_stops_no_other(database_url_sync: str, broken: dict[str, Any]) -> None:
    said = imported(database_url_sync, STORE[0], {**STORE[3], **broken}, STORE[3])
    assert (said["tenants"]["made"], said["keys"]["made"]) == (1, 1)

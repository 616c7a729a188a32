"""Keys of users in teams: the documented names, lists by team and by user, and deletion by the secret."""

import json
import re
from typing import Any

import httpx
import pytest
import structlog

from tests.admin.conftest import Admin
from tests.admin.key_manager.conftest import make_key, make_team, refused


def delete(manager: httpx.Client, secret: object) -> httpx.Response:
    return manager.request("DELETE", "/delete_key", json={"key": secret})


def test_a_key_has_the_documented_name_and_is_shown_once(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "first", policy="test-tokens")
    answer = manager.post("/teams/first/keys", json={"user_id": "ann", "user_email": "ann@test.com"})
    made = answer.json()
    found = re.findall(r'"api_key":"([^"]*)"', answer.text)  # as scripts look for it: JSON without spaces
    assert found == [made["api_key"]]
    assert re.fullmatch(r"sk_[0-9a-f]{48}", made["api_key"])
    assert re.fullmatch(r"apikey-ann-first-[0-9a-f]{8}", made["secret_name"])
    assert (made["user_id"], made["user_email"], made["team_id"], made["policy"]) == (
        *("ann", "ann@test.com", "first", "test-tokens"),
    )
    record = admin.record(made["api_key"])
    assert record is not None
    assert (record["tenant_id"], record["user_id"], record["key_name"]) == ("first", "ann", made["secret_name"])
    shown = [manager.get(path).text for path in ("/teams/first", "/teams/first/keys", "/users/ann/keys")]
    assert made["api_key"][18:] not in "".join([*shown, json.dumps(admin.audit())])


def test_keys_are_listed_by_team_and_by_user(manager: httpx.Client) -> None:
    for team in ("list-a", "list-b"):
        make_team(manager, team, policy="gold")
    made = [make_key(manager, *whose) for whose in (("list-a", "eve"), ("list-a", "eve"), ("list-b", "eve"))]
    other = make_key(manager, "list-a", "kim", user_email="kim@test.com", models_allowed=["one", "two"])
    listed = manager.get("/teams/list-a/keys").json()
    assert [*listed] == ["keys", "policy", "team_id", "team_name", "total_keys", "total_users", "users"]
    names = sorted(key["secret_name"] for key in (*made[:2], other))
    assert [key["secret_name"] for key in listed["keys"]] == names
    assert (listed["total_keys"], listed["total_users"], listed["policy"]) == (3, 2, "gold")
    assert listed["keys"][2] == {
        "created_at": other["created_at"],
        "models_allowed": "one,two",
        "policy": "gold",
        "role": "member",
        "secret_name": other["secret_name"],
        "status": "active",
        "user_email": "kim@test.com",
        "user_id": "kim",
    }
    assert listed["users"][1] == {
        "user_id": "kim",
        "user_email": "kim@test.com",
        "role": "member",
        "team_id": "list-a",
        "team_name": "Test Team",
        "joined_at": other["created_at"],
        "policy": "gold",
    }
    detail = manager.get("/teams/list-a").json()
    assert (detail["keys"], detail["users"]) == (names, listed["users"])
    of_user = manager.get("/users/eve/keys").json()
    assert (of_user["total_keys"], of_user["user_id"], [*of_user]) == (3, "eve", ["keys", "total_keys", "user_id"])
    assert {key["team_id"] for key in of_user["keys"]} == {"list-a", "list-b"}
    assert [*of_user["keys"][0]] == [
        *("created_at", "models_allowed", "policy", "role", "secret_name", "status", "team_id", "team_name"),
        "user_email",
    ]


def test_a_status_says_whether_the_key_works(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "status")
    make_key(manager, "status", "lou")
    (key,) = admin.http.get("/tenants/status/keys").json()["keys"]
    admin.http.put(f"/keys/{key['id']}/disabled", json={"disabled": True})
    assert manager.get("/users/lou/keys").json()["keys"][0]["status"] == "disabled"
    admin.query("UPDATE api_keys SET disabled = false, expires_at = now() WHERE id = $1", key["id"])
    assert manager.get("/users/lou/keys").json()["keys"][0]["status"] == "expired"


def test_a_key_is_deleted_by_its_secret_which_is_never_logged(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "by-secret")
    first, second = (make_key(manager, "by-secret", "max") for _ in range(2))
    with structlog.testing.capture_logs() as logs:
        answer = delete(manager, first["api_key"])
        again = delete(manager, first["api_key"])
        wrong = delete(manager, second["api_key"] + "0")
    assert answer.json() == {
        "message": "API key deleted",
        "secret_name": first["secret_name"],
        "team_id": "by-secret",
    }
    assert (admin.record(first["api_key"]) or {}).get("deleted")
    assert refused(again, 404) == refused(wrong, 404) == "this is not the secret of any key"
    said = json.dumps([logs, answer.text, again.text, wrong.text, admin.audit()], default=str)
    assert first["api_key"][18:] not in said
    assert second["api_key"][18:] not in said
    assert manager.get("/teams/by-secret").json()["keys"] == [second["secret_name"]]
    assert delete(manager, second["api_key"]).status_code == 200
    shown = manager.get("/teams/by-secret").json()
    assert (shown["users"], shown["user_count"]) == ([], 0)
    assert manager.get("/users/max/keys").json() == {"keys": [], "total_keys": 0, "user_id": "max"}


def test_a_secret_that_a_rotation_replaced_deletes_its_key_as_long_as_it_works(
    manager: httpx.Client, admin: Admin
) -> None:
    make_team(manager, "rotated")
    old = make_key(manager, "rotated", "ida")["api_key"]
    (key,) = admin.http.get("/tenants/rotated/keys").json()["keys"]
    new = admin.http.post(f"/keys/{key['id']}/rotate", json={}).json()["secret"]
    refused(delete(manager, old), 404)
    newer = admin.http.post(f"/keys/{key['id']}/rotate", json={"overlap_seconds": 60}).json()["secret"]
    admin.query("UPDATE retired_secrets SET expires_at = now()")
    refused(delete(manager, new), 404)
    admin.http.post(f"/keys/{key['id']}/rotate", json={"overlap_seconds": 60})
    assert delete(manager, newer).status_code == 200
    assert manager.get("/teams/rotated").json()["key_count"] == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "user_id: required"),
        ({"user_id": "a/b"}, "user_id: string should match"),
        ({"user_id": "ann", "user_email": "nobody"}, "user_email: string should match"),
        ({"user_id": "ann", "models_allowed": "one"}, "models_allowed: input should be a valid list"),
        ({"user_id": "ann", "role": "owner", "api_key": "sk_chosen"}, "role: unknown field; api_key: unknown field"),
        ({"user_id": "ann", "secret_name": "x", "tenant_id": "y"}, "secret_name: unknown field"),
    ],
)
def test_a_bad_key_is_refused_by_its_field(manager: httpx.Client, body: dict[str, Any], says: str) -> None:
    assert says in refused(manager.post("/teams/first/keys", json=body), 422)


def test_what_is_not_there_is_said(manager: httpx.Client) -> None:
    assert refused(manager.post("/teams/none/keys", json={"user_id": "ann"}), 404) == "there is no tenant 'none'"
    assert refused(manager.get("/teams/none/keys"), 404) == "there is no tenant 'none'"
    for path in ("keys", "usage"):
        assert refused(manager.get(f"/users/nobody/{path}"), 404) == "there is no user 'nobody'"
        assert refused(manager.get(f"/users/a%00b/{path}"), 422).startswith("user_id: ")
    for secret in ("", "x" * 513, None, 5, ["sk_"]):
        assert refused(delete(manager, secret), 422).startswith("key: ")


def test_a_viewer_reads_and_changes_nothing(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "viewed")
    token = admin.post("/admin-tokens", name="eyes", role="viewer").json()["token"]
    viewer = {"authorization": f"ADMIN {token}"}
    for path in ("/teams", "/teams/viewed", "/teams/viewed/keys", "/teams/viewed/usage", "/models"):
        assert manager.get(path, headers=viewer).status_code == 200, path
    changes = [
        ("POST", "/teams", {"team_id": "x"}),
        ("PATCH", "/teams/viewed", {"description": "mine"}),
        ("DELETE", "/teams/viewed", {}),
        ("POST", "/teams/viewed/keys", {"user_id": "ann"}),
        ("DELETE", "/delete_key", {"key": "sk_"}),
    ]
    for method, path, body in changes:
        assert "does not allow" in refused(manager.request(method, path, json=body, headers=viewer), 403)
    assert manager.get("/teams/viewed").json()["description"] == ""

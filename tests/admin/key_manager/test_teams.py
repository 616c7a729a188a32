"""/teams: teams are tenants, and the management API governs them too."""

from typing import Any

import httpx
import pytest

from tests.admin.conftest import Admin
from tests.admin.key_manager.conftest import make_key, make_team, refused

WHOLE = {"policy": "test-tokens", "token_limit": 100_000, "time_window": "1h"}


def limits_of(admin: Admin, team_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.http.get(f"/tenants/{team_id}/limits").json()["limits"]
    return found


def test_a_team_is_a_tenant_with_a_window_limit(manager: httpx.Client, admin: Admin) -> None:
    made = make_team(manager, "whole", **WHOLE)
    created = made.pop("created_at")
    assert made == {
        "description": "",
        "key_count": 0,
        "policy": "test-tokens",
        "team_id": "whole",
        "team_name": "Test Team",
        "user_count": 0,
        "token_limit": 100_000,
        "time_window": "1h",
    }
    tenant = admin.http.get("/tenants/whole").json()
    shown = ("name", "display_name", "policy", "created_at")
    assert [tenant[name] for name in shown] == ["whole", "Test Team", "test-tokens", created]
    (limit,) = limits_of(admin, "whole")
    fields = ("name", "scope", "unit", "amount", "kind", "window_seconds")
    assert [limit[name] for name in fields] == ["token_limit", "tenant", "tokens", 100_000, "fixed_window", 3600]
    assert admin.http.get("/policies/test-tokens").json()["limits"] == []
    actions = [(entry["action"], entry["actor"]) for entry in admin.audit()[:3]]
    assert actions == [("create_limit", "admin"), ("create_tenant", "admin"), ("create_policy", "admin")]


def test_a_change_says_whether_every_sidecar_knows_of_it(manager: httpx.Client) -> None:
    made = manager.post("/teams", json={"team_id": "told"})
    key = manager.post("/teams/told/keys", json={"user_id": "ann"})
    answers = [
        *(made, key, manager.patch("/teams/told", json={"token_limit": 5, "time_window": "1m"})),
        manager.request("DELETE", "/delete_key", json={"key": key.json()["api_key"]}),
        manager.delete("/teams/told"),
    ]
    assert [answer.headers["tollkeeper-propagation"] for answer in answers] == ["done"] * 5


def test_teams_may_have_the_same_name_and_policy_but_not_the_same_id(manager: httpx.Client) -> None:
    make_team(manager, "same-1", policy="shared")
    make_team(manager, "same-2", policy="shared")
    again = manager.post("/teams", json={"team_id": "same-1", "team_name": "Other", "policy": "made-in-vain"})
    assert refused(again, 409) == "there is already a tenant 'same-1'"
    assert manager.get("/teams/same-1").json()["team_name"] == "Test Team"


def test_what_is_refused_leaves_nothing_behind(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "taken")
    refused(manager.post("/teams", json={"team_id": "taken", "policy": "of-nobody"}), 409)
    refused(manager.post("/teams", json={"team_id": "half", "policy": "of-nobody", "token_limit": 5}), 422)
    assert admin.http.get("/policies/of-nobody").status_code == 404
    assert admin.http.get("/tenants/half").status_code == 404


def test_a_patch_changes_what_it_names(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "patched", **WHOLE)
    (limit,) = limits_of(admin, "patched")

    def patch(**body: Any) -> tuple[Any, ...]:
        answer = manager.patch("/teams/patched", json=body)
        assert answer.status_code == 200, answer.text
        return tuple(
            answer.json()[name] for name in ("team_name", "description", "policy", "token_limit", "time_window")
        )

    assert patch() == ("Test Team", "", "test-tokens", 100_000, "1h")
    assert patch(token_limit=20, time_window="1m") == ("Test Team", "", "test-tokens", 20, "1m")
    assert patch(time_window="1h30m") == ("Test Team", "", "test-tokens", 20, "90m")
    assert patch(token_limit=30, description="Mine") == ("Test Team", "Mine", "test-tokens", 30, "90m")
    assert patch(policy="updated-policy", team_name="New") == ("New", "Mine", "updated-policy", 30, "90m")
    assert [each["id"] for each in limits_of(admin, "patched")] == [limit["id"]]
    assert patch(token_limit=None, policy=None) == ("New", "Mine", "", None, None)
    assert limits_of(admin, "patched") == []
    assert refused(manager.patch("/teams/patched", json={"token_limit": 5}), 422) == (
        "the team 'patched' has no token limit yet: token_limit and time_window are needed together"
    )
    assert patch(token_limit=5, time_window="7d")[3:] == (5, "7d")


def test_what_the_management_api_makes_is_a_team_and_what_it_changes_shows(manager: httpx.Client, admin: Admin) -> None:
    tenant = admin.tenant("from-the-api")["id"]
    admin.key(tenant, "prod")
    shown = manager.get(f"/teams/{tenant}").json()
    assert (shown["team_name"], shown["policy"], shown["keys"], shown["user_count"]) == (
        "from-the-api",
        "",
        ["prod"],
        0,
    )
    assert manager.patch(f"/teams/{tenant}", json={"token_limit": 7, "time_window": "1d"}).status_code == 200
    (limit,) = limits_of(admin, tenant)
    admin.http.patch(f"/limits/{limit['id']}", json={"amount": 8, "calendar": "month", "kind": "fixed_window"})
    shown = manager.patch(f"/teams/{tenant}", json={}).json()
    assert (shown["token_limit"], shown["time_window"]) == (8, "month")
    shown = manager.patch(f"/teams/{tenant}", json={"time_window": "1m"}).json()
    assert (shown["token_limit"], shown["time_window"]) == (8, "1m")
    assert admin.http.delete(f"/tenants/{tenant}").status_code == 204
    assert refused(manager.get(f"/teams/{tenant}"), 404) == f"there is no tenant '{tenant}'"


def test_another_limit_of_that_name_is_not_taken_for_the_teams(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "named")
    limit = {"name": "token_limit", "scope": "tenant", "tenant_id": "named", "unit": "requests", "amount": 5}
    assert admin.post("/limits", **limit, window_seconds=60).status_code == 201
    answer = manager.patch("/teams/named", json={"token_limit": 5, "time_window": "1m"})
    assert refused(answer, 409) == "there is already a limit named 'token_limit'"


def test_teams_are_listed_by_id_and_in_pages(manager: httpx.Client) -> None:
    for name in ("zz-2", "zz-1", "zz-3"):
        make_team(manager, name)
    for user in ("ann", "bob", "ann"):
        make_key(manager, "zz-2", user)
    listed = manager.get("/teams", params={"after": "zz"}).json()
    assert [team["team_id"] for team in listed["teams"]] == ["zz-1", "zz-2", "zz-3"]
    assert [*listed["teams"][1]] == [
        *("created_at", "description", "key_count", "policy", "team_id", "team_name", "user_count"),
    ]
    assert [(team["key_count"], team["user_count"]) for team in listed["teams"]] == [(0, 0), (3, 2), (0, 0)]
    whole = manager.get("/teams").json()
    assert len(whole["teams"]) == whole["total_teams"] == listed["total_teams"]
    one = manager.get("/teams", params={"after": "zz-1", "limit": 1}).json()
    assert [team["team_id"] for team in one["teams"]] == ["zz-2"]


def test_a_deleted_team_takes_keys_users_and_limits_along(manager: httpx.Client, admin: Admin) -> None:
    make_team(manager, "gone", **WHOLE)
    secrets = [make_key(manager, "gone", user)["api_key"] for user in ("ann", "bob")]
    assert all(admin.record(secret) for secret in secrets)
    answer = manager.delete("/teams/gone")
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Team deleted", "team_id": "gone", "keys_deleted": 2},
    )
    assert all((admin.record(secret) or {}).get("deleted") for secret in secrets)
    for table in ("api_keys", "users", "limits"):
        assert admin.query(f"SELECT 1 FROM {table} WHERE tenant_id = 'gone'") == [], table  # noqa: S608
    for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "/keys"), ("GET", "/usage")):
        refused(manager.request(method, f"/teams/gone{path}", content=b"{}"), 404)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "team_id: required"),
        ({"team_id": "a b"}, "team_id: string should match"),
        ({"team_id": "x" * 65}, "team_id: string should match"),
        ({"team_id": "x", "token_limit": 5}, "token_limit and time_window are needed together"),
        ({"team_id": "x", "time_window": "1h"}, "token_limit and time_window are needed together"),
        ({"team_id": "x", "token_limit": "5", "time_window": "1h"}, "token_limit: input should be a valid integer"),
        ({"team_id": "x", "token_limit": 0, "time_window": "1h"}, "token_limit: input should be greater"),
        ({"team_id": "x", "token_limit": 10**13, "time_window": "1h"}, "token_limit: input should be less"),
        ({"team_id": "x", "token_limit": 5, "time_window": "1"}, "time_window: must be a length of time"),
        ({"team_id": "x", "token_limit": 5, "time_window": 60}, "time_window: must be a length of time"),
        ({"team_id": "x", "token_limit": 5, "time_window": "0s"}, "time_window: must be at least 1s"),
        ({"team_id": "x", "token_limit": 5, "time_window": "99999w"}, "time_window: must be at least 1s"),
        ({"team_id": "x", "policy": "a/b"}, "policy: string should match"),
        ({"team_id": "x", "team_name": "a\0b"}, "team_name: must not hold control characters"),
        # What a team does not have here cannot be smuggled in.
        ({"team_id": "x", "status": "active"}, "status: unknown field"),
        ({"team_id": "x", "id": "y", "version": 9}, "id: unknown field; version: unknown field"),
    ],
)
def test_a_bad_team_is_refused_by_its_field(manager: httpx.Client, body: dict[str, Any], says: str) -> None:
    assert says in refused(manager.post("/teams", json=body), 422)
    assert refused(manager.get("/teams/x"), 404)


def test_what_is_no_json_object_is_refused(manager: httpx.Client) -> None:
    assert refused(manager.post("/teams", content=b"{"), 400).startswith("the body is not JSON")
    for content in (b"[]", b"null", b'"x"'):
        refused(manager.post("/teams", content=content), 422)
    assert "team_id" in refused(manager.get("/teams/%00"), 422)
    assert "after" in refused(manager.get("/teams", params={"after": "\0"}), 422)

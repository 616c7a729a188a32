"""The people of an organization have of the key manager their own teams, without what bounds them."""

from dataclasses import dataclass

import httpx
import pytest

from tests.admin.conftest import Admin
from tests.admin.key_manager.conftest import make_key, make_team, refused
from tests.admin.usage.ledger import use

PASSWORD = "Training123!"


@dataclass(frozen=True, slots=True)
class Owner:
    """Of an organization, as the key manager is told; and its one team, made in the portal."""

    headers: dict[str, str]
    team: str


def make_owner(manager: httpx.Client, admin: Admin, name: str) -> Owner:
    made = admin.post("/organizations", name=name).raise_for_status().json()["id"]
    account = {"email": f"owner@{name}.test", "password": PASSWORD}
    admin.post("/accounts", **account, organization=made, role="owner").raise_for_status()
    token = manager.post("/auth/login", json=account).raise_for_status().json()["token"]
    tenant = {"display_name": "Test Team", "environment": "dev"}
    answer = manager.post("/tenants", json=tenant, headers={"authorization": f"Bearer {token}"})
    team = answer.raise_for_status().json()["id"]
    manager.patch(f"/teams/{team}", json={"token_limit": 100, "time_window": "1h"}).raise_for_status()
    make_key(manager, team, "ann", user_email=f"ann@{name}.test")
    use(admin, "2026-03-02T10:00:00Z", team, user="ann", input=10, output=0)
    return Owner({"authorization": f"ADMIN {token}"}, team)


@pytest.fixture(scope="module")
def owner(manager: httpx.Client, admin: Admin) -> Owner:
    return make_owner(manager, admin, "ours")


@pytest.fixture(scope="module")
def others(manager: httpx.Client, admin: Admin) -> list[str]:
    """A team of another organization, and one of none."""
    make_team(manager, "of-nobody")
    return [make_owner(manager, admin, "theirs").team, "of-nobody"]


@pytest.mark.usefixtures("others")
def test_they_see_and_count_their_own(manager: httpx.Client, owner: Owner) -> None:
    listed = manager.get("/teams", headers=owner.headers).json()
    assert ([team["team_id"] for team in listed["teams"]], listed["total_teams"]) == ([owner.team], 1)
    assert manager.get(f"/teams/{owner.team}", headers=owner.headers).json()["key_count"] == 1
    assert manager.get("/users/ann/keys", headers=owner.headers).json()["total_keys"] == 1
    assert manager.get("/users/ann/usage", headers=owner.headers).json()["total_token_usage"] == 10
    (user,) = manager.get(f"/teams/{owner.team}/usage", headers=owner.headers).json()["user_breakdown"]
    assert user["user_email"] == "ann@ours.test"


def test_they_make_and_delete_keys_and_say_what_their_team_is_called(manager: httpx.Client, owner: Owner) -> None:
    made = manager.post(f"/teams/{owner.team}/keys", json={"user_id": "bob"}, headers=owner.headers)
    assert made.status_code == 201
    gone = manager.request("DELETE", "/delete_key", json={"key": made.json()["api_key"]}, headers=owner.headers)
    assert gone.json()["message"] == "API key deleted"
    named = manager.patch(f"/teams/{owner.team}", json={"team_name": "We"}, headers=owner.headers)
    assert (named.json()["team_name"], named.json()["token_limit"]) == ("We", 100)


def test_what_bounds_a_team_is_not_theirs(manager: httpx.Client, owner: Owner) -> None:
    for body in ({"token_limit": 10**9}, {"token_limit": None}, {"time_window": "1s"}, {"policy": "mine"}):
        refused(manager.patch(f"/teams/{owner.team}", json=body, headers=owner.headers), 403)
    refused(manager.patch(f"/teams/{owner.team}", json={"policy": None}, headers=owner.headers), 403)
    refused(manager.post("/teams", json={"team_id": "another"}, headers=owner.headers), 403)
    refused(manager.get("/models", headers=owner.headers), 403)
    shown = manager.patch(f"/teams/{owner.team}", json={}).json()
    assert (shown["token_limit"], shown["time_window"], shown["policy"]) == (100, "1h", "")


def test_anothers_team_is_not_there(manager: httpx.Client, admin: Admin, owner: Owner, others: list[str]) -> None:
    for team in others:
        nothing_of(team, manager, admin, owner)


def nothing_of(team: str, manager: httpx.Client, admin: Admin, owner: Owner) -> None:
    secret = make_key(manager, team, "eve")["api_key"]
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"team_name": "Ours"}),
        ("DELETE", "", None),
        ("GET", "/keys", None),
        ("POST", "/keys", {"user_id": "eve"}),
        ("GET", "/usage", None),
    ):
        answer = manager.request(method, f"/teams/{team}{path}", json=body, headers=owner.headers)
        assert refused(answer, 404) == f"there is no tenant '{team}'", (method, path)
    answer = manager.request("DELETE", "/delete_key", json={"key": secret}, headers=owner.headers)
    assert refused(answer, 404) == "this is not the secret of any key"
    for path in ("keys", "usage"):
        assert refused(manager.get(f"/users/eve/{path}", headers=owner.headers), 404) == "there is no user 'eve'"
    assert manager.get(f"/teams/{team}").json()["team_name"] == "Test Team"
    assert [key["name"].startswith("apikey-eve") for key in admin.http.get(f"/tenants/{team}/keys").json()["keys"]][-1]

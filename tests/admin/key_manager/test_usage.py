"""Usage by team and by user: the parts that the document shows, sums that are theirs, and what the ledger has."""

import re
from typing import Any

import httpx
import pytest

from tests.admin.conftest import Admin
from tests.admin.key_manager.conftest import make_key, make_team, refused
from tests.admin.usage.ledger import use

DAY = "2026-03-02T10:00:00Z"


@pytest.fixture(scope="module")
def used(manager: httpx.Client, admin: Admin) -> None:
    """Two teams; a user of both, one without a key by now, one whose user is gone, and a key without a user."""
    make_team(manager, "red", policy="test-tokens")
    make_team(manager, "blue")
    make_key(manager, "red", "ann", user_email="ann@test.com")
    gone = make_key(manager, "red", "ben", user_email="ben@test.com")
    manager.request("DELETE", "/delete_key", json={"key": gone["api_key"]}).raise_for_status()
    for _ in range(2):
        use(admin, DAY, "red", key="a", user="ann", input=10, output=5)
    use(admin, DAY, "red", key="a", user="ann", input=0, output=0, admission="refused")
    use(admin, DAY, "red", key="b", user="ben", input=100, output=1)
    use(admin, DAY, "red", key="c", user="", input=7, output=0, admission="local")
    use(admin, DAY, "blue", key="d", user="ann", input=1, output=1)
    use(admin, DAY, "sunk", key="e", user="ann", input=0, output=0, admission="refused")


def summed(of: dict[str, Any], parts: str) -> None:
    for total in ("token_usage", "authorized_calls", "limited_calls"):
        assert of[f"total_{total}"] == sum(part[total] for part in of[parts])


@pytest.mark.usefixtures("used")
def test_a_teams_usage_is_that_of_its_users(manager: httpx.Client, admin: Admin) -> None:
    found = manager.get("/teams/red/usage").json()
    assert [*found] == [
        *("team_id", "team_name", "policy", "total_token_usage", "total_authorized_calls", "total_limited_calls"),
        *("user_breakdown", "last_updated"),
    ]
    assert (found["team_id"], found["team_name"], found["policy"]) == ("red", "Test Team", "test-tokens")
    assert [tuple(part.values()) for part in found["user_breakdown"]] == [
        ("", "", 7, 1, 0),
        ("ann", "ann@test.com", 30, 2, 1),
        ("ben", "ben@test.com", 101, 1, 0),
    ]
    assert [*found["user_breakdown"][0]] == [
        *("user_id", "user_email", "token_usage", "authorized_calls", "limited_calls"),
    ]
    summed(found, "user_breakdown")
    (ledger,) = admin.query(
        "SELECT sum(input_tokens + output_tokens) AS tokens, count(*) FILTER (WHERE admission <> 'refused') AS ran,"
        " count(*) FILTER (WHERE admission = 'refused') AS refused FROM usage WHERE tenant_id = 'red'"
    )
    assert [*ledger.values()] == [
        found[f"total_{name}"] for name in ("token_usage", "authorized_calls", "limited_calls")
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", found["last_updated"])
    reported = admin.http.get("/usage", params={"tenant_id": "red"}).json()
    assert (reported["requests"], reported["refused"]) == (4, 1)


@pytest.mark.usefixtures("used")
def test_a_users_usage_is_that_in_each_team_also_in_deleted_ones(manager: httpx.Client) -> None:
    found = manager.get("/users/ann/usage").json()
    assert [*found] == [
        *("user_id", "total_token_usage", "total_authorized_calls", "total_limited_calls", "team_breakdown"),
        "last_updated",
    ]
    assert [tuple(part.values()) for part in found["team_breakdown"]] == [
        ("blue", "Test Team", "", 2, 1, 0),
        ("red", "Test Team", "test-tokens", 30, 2, 1),
        ("sunk", "", "", 0, 0, 1),
    ]
    summed(found, "team_breakdown")
    (total, calls, limited) = [*found.values()][1:4]
    assert (total, calls, limited) == (32, 3, 2)


@pytest.mark.usefixtures("used")
def test_usage_outlives_the_team_and_begins_at_nothing(manager: httpx.Client) -> None:
    make_team(manager, "idle")
    make_key(manager, "idle", "new")
    for path, parts in (("/teams/idle/usage", "user_breakdown"), ("/users/new/usage", "team_breakdown")):
        found = manager.get(path).json()
        assert (found["total_token_usage"], found["total_authorized_calls"], found[parts]) == (0, 0, [])
    sunk = manager.get("/teams/sunk/usage").json()
    assert (sunk["team_name"], sunk["total_limited_calls"]) == ("", 1)
    assert refused(manager.get("/teams/never/usage"), 404) == "there is no tenant 'never'"

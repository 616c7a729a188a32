"""One API for all tests of a module, and a client of its key manager."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.admin.conftest import TOKEN, Admin
from tests.web import NO_TLS

ADMIN = {"authorization": f"ADMIN {TOKEN}"}


@pytest.fixture(scope="module")
def admin(running_admin: Admin) -> Admin:
    return running_admin


@pytest.fixture(scope="module")
def manager(admin: Admin) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=admin.url, headers=ADMIN, verify=NO_TLS, timeout=10) as client:
        yield client


def refused(answer: httpx.Response, status: int) -> str:
    """Why, in words."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert sorted(body) == ["error", "request_id"]
    assert body["request_id"] == answer.headers["x-request-id"]
    found: str = body["error"]
    return found


def make_team(manager: httpx.Client, team_id: str, **body: Any) -> dict[str, Any]:
    answer = manager.post("/teams", json={"team_id": team_id, "team_name": "Test Team", **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def make_key(manager: httpx.Client, team_id: str, user_id: str, **body: Any) -> dict[str, Any]:
    answer = manager.post(f"/teams/{team_id}/keys", json={"user_id": user_id, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found

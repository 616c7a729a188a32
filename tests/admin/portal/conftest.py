"""A management API with an organization in it, as operators make one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.admin.conftest import Admin
from tests.web import NO_TLS

PASSWORD = "Training123!"


@dataclass(frozen=True, slots=True)
class Portal:
    """`http` has no credential of its own."""

    admin: Admin
    http: httpx.Client

    def organization(self, name: str, plan: str = "free") -> str:
        """The id of a new one, with an owner `owner@<name>.test`."""
        made: str = self.admin.post("/organizations", name=name, plan=plan).raise_for_status().json()["id"]
        self.account(made, f"owner@{name}.test", "owner")
        return made

    def account(self, organization: str, email: str, role: str) -> str:
        body = {"email": email, "password": PASSWORD, "organization": organization, "role": role}
        made: str = self.admin.post("/accounts", **body).raise_for_status().json()["id"]
        return made

    def sign_in(self, email: str) -> dict[str, Any]:
        answer = self.http.post("/auth/login", json={"email": email, "password": PASSWORD})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def as_(self, email: str) -> dict[str, str]:
        """The headers of somebody who has signed in."""
        return {"authorization": f"Bearer {self.sign_in(email)['token']}"}


@pytest.fixture
def portal(admin: Admin) -> Iterator[Portal]:
    with httpx.Client(base_url=admin.url, timeout=20, verify=NO_TLS) as http:
        yield Portal(admin, http)

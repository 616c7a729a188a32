"""The console as a browser sees it, on a real management port: one for all tests of a module."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import redis

from tests.admin.conftest import TOKEN, Admin, run_admin
from tests.conftest import create_database, drop_database
from tests.web import NO_TLS
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

HIDDEN = re.compile(r'<input type="hidden" name="(_\w+)" value="([^"]*)">')
WHITESPACE = re.compile(r"\s+")


@pytest.fixture(scope="module")
def admin(postgres: Postgres, valkey: Valkey) -> Iterator[Admin]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    url = asyncio.run(create_database(postgres))
    with run_admin(url, valkey.url) as running:
        yield running
    asyncio.run(drop_database(postgres, url))


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a browser: cookies are kept, redirects are not followed."""

    http: httpx.Client

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query or None)

    def send(self, page: str, to: str = "", /, **fields: Any) -> httpx.Response:
        """What happens when the form of a page is filled in and sent."""
        return self.http.post(to or page, data={**self.hidden(page), **fields})

    def hidden(self, page: str) -> dict[str, str]:
        return dict(HIDDEN.findall(self.get(page).text))

    def sign_in(self, token: str = TOKEN, **fields: str) -> httpx.Response:
        return self.http.post("/console/sign-in", data={"token": token, **fields})


@pytest.fixture
def visitor(admin: Admin) -> Iterator[Visitor]:
    """Nobody yet."""
    with httpx.Client(base_url=admin.url, verify=NO_TLS, timeout=10) as http:
        yield Visitor(http)


@pytest.fixture
def owner(visitor: Visitor) -> Visitor:
    """Signed in with the configured token."""
    assert visitor.sign_in().status_code == 303
    return visitor


def text_of(answer: httpx.Response) -> str:
    """What people read of a page."""
    return WHITESPACE.sub(" ", re.sub(r"<[^>]*>", " ", answer.text)).strip()

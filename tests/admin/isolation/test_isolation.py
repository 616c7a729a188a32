"""Nobody sees, counts or changes what is another organization's: principals × routes × whose things, for each surface.

The routes are asked of the surfaces themselves; what each is for is in table.py.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, cast
from unittest import mock

import httpx
import pytest
from fastapi import FastAPI

from admin.console import sign_in
from admin.console.surface import PAGES
from admin.surfaces import OTHERS, surfaces
from tests.admin.conftest import run_admin
from tests.admin.isolation.table import API, MAY, ROWS, For
from tests.admin.isolation.world import (
    ALERT,
    MARKER,
    NOTHING,
    PASSWORD,
    ROLES,
    SPENDING,
    TOKENS,
    Things,
    World,
    credential,
    unique,
)
from tests.conftest import create_database, drop_database
from tests.web import NO_TLS
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

CONSOLE = "console"  # pages, which are not asked as the others are: see test_isolation_of_pages.py
REPORTS = [route for route in API if route.startswith(("GET /api/v1/usage", "GET /api/v1/costs"))]
OWN_SESSION = ("POST /auth/logout", "POST /auth/password")  # about the session of the token, no id is in them


@pytest.fixture(scope="module")
def world(postgres: Postgres, valkey: Valkey) -> Iterator[World]:
    url = asyncio.run(create_database(postgres))
    with run_admin(url, valkey.url) as admin, httpx.Client(base_url=admin.url, timeout=30, verify=NO_TLS) as http:
        yield World(admin, http)
    asyncio.run(drop_database(postgres, url))


def routes() -> dict[str, Any]:
    """Every route, as `METHOD /path`, with the example of its body."""
    found: dict[str, Any] = {}
    for surface in surfaces(mock.MagicMock(), [name for name in OTHERS if name != CONSOLE]):
        for path, operations in cast(FastAPI, surface.app).openapi()["paths"].items():
            for method, operation in operations.items():
                content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                found[f"{method.upper()} {path}"] = content.get("example")
    return found


def pages() -> list[str]:
    """Every route of the console, as `METHOD /path`."""
    found = [route for module in (sign_in, *PAGES) for route in module.routes.all]
    return [f"{method} {route.path}" for route in found for method in (route.methods or set()) - {"HEAD"}]


def test_every_route_has_a_row() -> None:
    assert sorted([*routes(), *pages()]) == sorted(ROWS)


def body_of(route: str, things: Things, example: Any) -> Any:
    """What may be sent by somebody of an organization."""
    said: dict[str, Any] = {
        "POST /api/v1/tenants": {"name": unique()},
        "PATCH /api/v1/tenants/{id}": {"name": unique()},
        "POST /api/v1/tenants/{id}/keys": {"name": "k"},
        "PATCH /api/v1/keys/{id}": {"name": "k2"},
        "PATCH /api/v1/limits/{id}": {"amount": 5},
        "POST /api/v1/limits": {"scope": "tenant", "tenant_id": things.tenant, "unit": "requests", "amount": 1}
        | {"window_seconds": 60},
        "PATCH /api/v1/accounts/{id}": {"role": "viewer"},
        "POST /api/v1/accounts": {"email": f"{unique()}@x.test", "password": PASSWORD, "organization": "org_x"},
        "POST /api/v1/webhooks": {"name": unique(), "url": "https://hooks.test/", "enabled": False},
        "PATCH /api/v1/webhooks/{id}": {"name": unique()},
        "POST /v1/organization/projects/{project_id}/spend_alerts": ALERT,
        "POST /v1/organization/projects/{project_id}/spend_alerts/{alert_id}": ALERT,
        "POST /v1/organization/projects/{project_id}/spend_limit": SPENDING,
        "POST /auth/password": {"old_password": PASSWORD, "new_password": PASSWORD},
        "POST /tenants": {"display_name": "another"},
        "PATCH /tenants/{id}": {"display_name": "changed", "environment": "dev"},
        "POST /tenants/{id}/keys": {"display_name": "k"},
        "PATCH /organization/accounts/{id}": {"role": "viewer"},
        "POST /organization/invitations": {"email": f"{unique()}@x.test"},
        "POST /admin/tenants": {"name": "another"},
        "DELETE /delete_key": {"key": things.secret},
        "POST /teams": {"team_id": unique(), "team_name": "x"},
        "PATCH /teams/{team_id}": {"team_name": "x"},
        "POST /teams/{team_id}/keys": {"user_id": "ann"},
    }
    return said.get(route, example)


def plain(answer: httpx.Response, things: Things) -> tuple[int, str]:
    """What of an answer may tell something: not its request's id and its time, nor the ids that were asked for."""
    text = re.sub(r'"last_updated":"[^"]*"', "", answer.text).replace(answer.headers["x-request-id"], "REQUEST")
    return answer.status_code, things.hidden(text)


def test_nobody_sees_counts_or_changes_what_is_anothers(world: World) -> None:
    mine, theirs, operators = world.populated()
    before, failures, examples = world.state(), list[str](), routes()
    assert before.count("\n") > 10
    for route, whom in API.items():
        if whom is For.ANYBODY or route in OWN_SESSION:
            continue
        for role in ROLES if MAY[whom] else ROLES[:1]:  # what not even owners may, nobody may
            token, may = world.tokens["acme", role], role in MAY[whom]
            failures += _of_others(world, route, (theirs, operators), token, may, examples[route])
            failures += _of_ones_own(world, route, mine, token, may, examples[route])
    assert failures == [], "\n".join(failures)
    assert world.state() == before


def _of_others(
    world: World, route: str, others: tuple[Things, ...], token: str, may: bool, example: Any
) -> Iterator[str]:
    """Of others' things the answer is what it is of no things at all, and tells nothing."""
    of_nothing = plain(world.ask(route, NOTHING, token, body_of(route, NOTHING, example)), NOTHING)
    for things in others:
        if not things.are_in(route):
            continue
        answer = world.ask(route, things, token, body_of(route, things, example))
        expected = (404,) if may else (403, 404)
        if plain(answer, things) != of_nothing or answer.status_code not in expected:
            yield f"{route} of others: {answer.status_code} {answer.text} unlike {of_nothing}"
    for things in others if route in REPORTS else ():
        answer = world.ask(route, things, token, query={"tenant_id": things.tenant})
        nothing = world.ask(route, NOTHING, token, query={"tenant_id": NOTHING.tenant})
        if plain(answer, things) != plain(nothing, NOTHING) or answer.status_code != 404:
            yield f"{route} of a tenant of others: {answer.status_code} {answer.text}"


def _of_ones_own(world: World, route: str, mine: Things, token: str, may: bool, example: Any) -> Iterator[str]:
    """Of one's own things it is done for those who may and refused to the others, and tells nothing of others."""
    if may and route.startswith("DELETE"):
        mine = world.things("acme", "acme")
        people = "accounts" in route or "invitations" in route
        mine = world.with_people("acme", mine, "acme") if people else mine
    answer = world.ask(route, mine, token, body_of(route, mine, example))
    if (answer.status_code < 300) != may or (not may and answer.status_code != 403):
        yield f"{route} of one's own: {answer.status_code} {answer.text}"
    if "openapi" not in route and (MARKER in answer.text or str(TOKENS)[:6] in answer.text):
        yield f"{route} tells of others: {answer.text}"


def test_who_is_not_signed_in_gets_nowhere(world: World) -> None:
    """With a forged token once for each control plane: more wrong ones would be answered late."""
    forged, tried = "eyJhbGciOiJub25lIn0.e30.", set[str]()
    for route, whom in API.items():
        method, path = route.split()
        if whom is For.ANYBODY:
            continue
        plane = str([*credential(path, "").items()])
        for headers in ({}, credential(path, forged)) if plane not in tried else ({},):
            assert world.http.request(method, NOTHING.in_path(path), headers=headers).status_code == 401, route
        tried.add(plane)
    assert len(tried) == 3


def test_operators_see_everybodys(world: World) -> None:
    world.things("", MARKER)
    tenants = json.dumps(world.admin.http.get("/tenants?limit=1000").json())
    assert MARKER in tenants

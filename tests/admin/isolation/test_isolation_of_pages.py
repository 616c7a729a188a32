"""Nobody sees, counts or changes in the console what is another organization's: roles × pages × whose things."""

import asyncio
import html
import re
from collections.abc import Iterator
from itertools import zip_longest

import httpx
import pytest

from tests.admin.conftest import run_admin
from tests.admin.isolation.table import MAY, PAGES, For
from tests.admin.isolation.world import MARKER, NOTHING, PASSWORD, ROLES, TOKENS, Things, World, unique
from tests.conftest import create_database, drop_database
from tests.web import NO_TLS
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

SIGN_OUT = "POST /console/sign-out"  # about the session of the cookie, no id is in it
ENDS = ("/delete", "/revoke", "/withdraw")
OF_EACH_PAGE = re.compile(r'name="_(form|once|seen)" value="[^"]*"|value="[0-9a-f]{32,}"|<p class="hint">Request id.*')
FORMS = {
    "POST /console/tenants/{id}/keys/new": {"name": "k"},
    "POST /console/tenants/{id}/limits/new": {"unit": "tokens", "amount": "5", "every": "day", "name": "x"},
    "POST /console/tenants/{id}/budgets/{name}/adjust": {"amount": "-5"},
    "POST /console/limits/{id}": {"amount": "5"},
    "POST /console/keys/{id}/edit": {"name": "k2"},
    "POST /console/keys/{id}/disabled": {"disabled": "true"},
    "POST /console/organizations/{id}/accounts/{account}": {"role": "viewer"},
    "POST /console/organizations": {"name": "x"},
    "POST /console/organizations/{id}": {"name": "x", "plan": "enterprise"},
    "POST /console/models/new": {"name": "x"},
    "POST /console/mcp-servers/new": {"name": "x", "url": "http://10.0.0.1/mcp"},
    "POST /console/webhooks/new": {"name": "x", "url": "https://hooks.test/"},
    "POST /console/webhooks/{id}": {"name": "x", "url": "https://hooks.test/"},
    "POST /console/groups": {"name": "x", "weight": "5"},
    "POST /console/policies": {"name": "x"},
    "POST /console/capacity": {"max_in_flight": "1"},
}


class Person:
    """Somebody with a browser, signed in."""

    def __init__(self, world: World, email: str) -> None:
        self.http = httpx.Client(base_url=world.admin.url, timeout=30, verify=NO_TLS)
        signed_in = self.http.post("/console/sign-in", data={"email": email, "password": PASSWORD})
        assert signed_in.status_code == 303, signed_in.text
        self.form = re.findall(r'name="_form" value="(\w+)"', self.http.get("/console").text)[0]

    def ask(self, route: str, things: Things) -> httpx.Response:
        method, path = route.split()
        for name, value in {
            "{account}": things.account,
            "{invitation}": things.invitation,
            "{number}": "0",
            "{delivery}": things.delivery,
        }.items():
            path = path.replace(name, value)
        path = things.in_path(path.replace("/budgets/{name}", f"/budgets/{things.limit}"))
        if method == "GET":
            return self.http.get(path, params=asked(path, things))
        fields = FORMS.get(route, {})
        if route in ("POST /console/tenants/new", "POST /console/tenants/{id}/edit"):
            fields = {"display_name": unique()}
        if route in ("POST /console/webhooks/new", "POST /console/webhooks/{id}"):
            fields = {**fields, "name": unique()}
        if route.endswith("/invitations"):
            fields = {"email": f"{unique()}@x.test"}
        return self.http.post(path, data={**fields, "_form": self.form})


def asked(path: str, things: Things) -> dict[str, str]:
    """What is looked for where there is no id in the path."""
    queries = {"/requests": {"id": things.request}, "/find": {"q": things.tenant}, "/audit": {"target": things.tenant}}
    queries |= {page: {"tenant": things.tenant} for page in ("/usage", "/usage.csv", "/usage/groups")}
    return queries.get(path.removeprefix("/console"), {})


@pytest.fixture(scope="module")
def world(postgres: Postgres, valkey: Valkey) -> Iterator[World]:
    url = asyncio.run(create_database(postgres))
    with run_admin(url, valkey.url) as admin, httpx.Client(base_url=admin.url, timeout=30, verify=NO_TLS) as http:
        yield World(admin, http)
    asyncio.run(drop_database(postgres, url))


def plain(answer: httpx.Response, things: Things) -> tuple[int, str, str]:
    """What of an answer may tell something."""
    text = html.unescape(OF_EACH_PAGE.sub("", answer.text)).replace(answer.headers["x-request-id"], "REQUEST")
    return answer.status_code, things.hidden(answer.headers.get("location", "")), things.hidden(text)


def difference(one: tuple[int, str, str], other: tuple[int, str, str]) -> str:
    lines = zip_longest(one[2].splitlines(), other[2].splitlines())
    return f"{one[:2]} unlike {other[:2]}: {next((pair for pair in lines if pair[0] != pair[1]), '')}"


def said_in(answer: httpx.Response) -> str:
    return " ".join(re.sub("<[^>]*>", " ", answer.text.partition("<main")[2]).split())


def test_nobody_sees_or_changes_what_is_anothers(world: World) -> None:
    mine, theirs, operators = world.populated()
    people = {role: Person(world, f"{role}@acme.test") for role in ROLES}
    before, failures = world.state(), list[str]()
    for route, whom in PAGES.items():
        if whom is For.ANYBODY or route == SIGN_OUT:
            continue
        for role in ROLES if MAY[whom] else ROLES[:1]:  # what not even owners may, nobody may
            person, may = people[role], role in MAY[whom]
            failures += _of_others(person, route, (theirs, operators), may)
            failures += _of_ones_own(world, person, route, mine, may)
    for person in people.values():
        person.http.close()
    assert failures == [], "\n".join(failures)
    assert world.state() == before


def _of_others(person: Person, route: str, others: tuple[Things, ...], may: bool) -> Iterator[str]:
    """Of others' things the answer is what it is of no things at all, and tells nothing."""
    of_nothing = plain(person.ask(route, NOTHING), NOTHING)
    for things in others:
        if not things.are_in(route) and not asked(route.split()[1], things):
            continue
        answer = person.ask(route, things)
        expected = (404,) if may else (403, 404)
        if plain(answer, things) != of_nothing or ("{" in route and answer.status_code not in expected):
            yield f"{route} of others: {difference(plain(answer, things), of_nothing)}"


def _of_ones_own(world: World, person: Person, route: str, mine: Things, may: bool) -> Iterator[str]:
    """Of one's own things it is done for those who may and refused to the others, and tells nothing of others."""
    if may and route.endswith(ENDS):
        mine = world.with_people("acme", world.things("acme", "acme"), "acme")
    answer = person.ask(route, mine)
    if (answer.status_code < 400) != may or (not may and answer.status_code not in (403, 404)):
        yield f"{route} of one's own: {answer.status_code} {said_in(answer)}"
    if MARKER in answer.text or str(TOKENS)[:6] in answer.text.replace(",", ""):
        yield f"{route} tells of others: {said_in(answer)}"

"""All surfaces together: what one makes the others see and govern, and each can be switched off."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from admin.surfaces import OTHERS
from tenancy.values.key_record import KeyRecord
from tests.admin.conftest import TOKEN, Admin, run_admin
from tests.web import NO_TLS

BEARER = {"authorization": f"Bearer {TOKEN}"}
ADMIN = {"authorization": f"ADMIN {TOKEN}"}
MASTER = {"x-master-key": TOKEN}
NAME = "Made here"
# How each answers where it is served, to who has its credential.
SERVED = {
    "key-manager": ("/teams", ADMIN, 200),
    "portal": ("/tenants", BEARER, 200),
    "chat-api": ("/admin/tenants", MASTER, 405),
    "openai-admin": ("/v1/organization/projects/nobody/spend_limit", BEARER, 404),
    "console": ("/console", {}, 303),
}


@pytest.mark.parametrize("off", OTHERS)
def test_each_is_switched_off_by_itself(off: str, database_url_sync: str, redis_url: str) -> None:
    others = [name for name in OTHERS if name != off]
    with run_admin(database_url_sync, redis_url, others=others) as admin, console(admin) as http:
        for name, (path, headers, status) in SERVED.items():
            if name != off:
                assert http.get(path, headers=headers).status_code == status, name
        for headers in (SERVED[off][1], BEARER):
            answer = http.get(SERVED[off][0], headers=headers)
            assert answer.status_code == (404 if headers == BEARER else 401)
            assert answer.headers["content-type"] == "application/problem+json"


@contextmanager
def console(admin: Admin) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=admin.url, timeout=20, verify=NO_TLS) as http:
        yield http


@pytest.fixture
def http(admin: Admin) -> Iterator[httpx.Client]:
    """Signed in to the console, and without a credential elsewhere."""
    with console(admin) as http:
        assert http.post("/console/sign-in", data={"token": TOKEN}).status_code == 303
        yield http


def form(http: httpx.Client, path: str, **fields: str) -> httpx.Response:
    hidden = dict(re.findall(r'name="(_\w+)" value="([^"]*)"', http.get(path).text))
    return http.post(path, data={**hidden, **fields})


Made = tuple[str, str]
"""A tenant's id, and the secret of a key of it."""


def by_the_api(http: httpx.Client) -> Made:
    tenant = {"name": NAME, "display_name": NAME}
    id = http.post("/api/v1/tenants", json=tenant, headers=BEARER).json()["id"]
    return id, http.post(f"/api/v1/tenants/{id}/keys", json={"name": "k"}, headers=BEARER).json()["secret"]


def by_the_key_manager(http: httpx.Client) -> Made:
    http.post("/teams", json={"team_id": "made", "team_name": NAME}, headers=ADMIN)
    return "made", http.post("/teams/made/keys", json={"user_id": "ann"}, headers=ADMIN).json()["api_key"]


def by_the_portal(http: httpx.Client) -> Made:
    id = http.post("/tenants", json={"display_name": NAME}, headers=BEARER).json()["id"]
    return id, http.post(f"/tenants/{id}/keys", json={"display_name": "k"}, headers=BEARER).json()["key"]


def by_chat_api(http: httpx.Client) -> Made:
    made = http.post("/admin/tenants", json={"name": NAME}, headers=MASTER).json()
    return made["tenant_id"], made["api_key"]


def by_the_console(http: httpx.Client) -> Made:
    where = form(http, "/console/tenants/new", display_name=NAME).headers["location"].partition("?")[0]
    page = form(http, f"{where}/keys/new", name="k").text
    return where.rpartition("/")[2], re.findall(r'id="secret">(sk_\w+)<', page)[0]


@pytest.mark.parametrize("make", [by_the_api, by_the_key_manager, by_the_portal, by_chat_api, by_the_console])
def test_what_one_makes_the_others_see_and_govern(
    make: Callable[[httpx.Client], Made], http: httpx.Client, admin: Admin
) -> None:
    id, secret = make(http)
    key = http.get(f"/api/v1/tenants/{id}/keys", headers=BEARER).json()["keys"][0]["id"]
    for path, headers in (
        (f"/api/v1/tenants/{id}", BEARER),
        (f"/teams/{id}", ADMIN),
        (f"/tenants/{id}", BEARER),
        (f"/console/tenants/{id}", {}),
    ):
        assert NAME in http.get(path, headers=headers).text, path

    # A limit of each that sets some is what sidecars are told of the key, and each shows it.
    limit = {"scope": "tenant", "tenant_id": id, "unit": "requests", "amount": 7, "window_seconds": 60, "name": "api"}
    http.post("/api/v1/limits", json=limit, headers=BEARER).raise_for_status()
    http.patch(f"/teams/{id}", json={"token_limit": 20, "time_window": "1m"}, headers=ADMIN).raise_for_status()
    form(http, f"/console/tenants/{id}/limits/new", unit="tokens", amount="9k", every="day", name="console")
    amounts = {"api": 7, "token_limit": 20, "console": 9000}
    record = KeyRecord.load(json.dumps(admin.record(secret)).encode())
    assert {each.name: each.amount for each in record.further_limits} == amounts
    budgets = http.get(f"/dashboard/tenants/{id}/usage", headers=BEARER).json()["budgets"]
    assert {each["name"]: each["limit"] for each in budgets if each["name"] in amounts} == amounts
    shown = http.get(f"/console/tenants/{id}").text
    assert all(name in shown for name in amounts)

    # One renames, another disables the key, a third deletes the tenant.
    http.patch(f"/tenants/{id}", json={"display_name": "Renamed"}, headers=BEARER).raise_for_status()
    assert http.get(f"/teams/{id}", headers=ADMIN).json()["team_name"] == "Renamed"
    form_token = {"_form": re.findall(r'name="_form" value="(\w+)"', shown)[0]}
    http.post(f"/console/keys/{key}/disabled", data={**form_token, "disabled": "true"})
    assert (admin.record(secret) or {})["disabled"] is True
    assert http.delete(f"/teams/{id}", headers=ADMIN).json()["keys_deleted"] == 1
    assert (admin.record(secret) or {}).get("deleted")
    for path in (f"/api/v1/tenants/{id}", f"/tenants/{id}", f"/console/tenants/{id}"):
        assert http.get(path, headers=BEARER).status_code == 404, path

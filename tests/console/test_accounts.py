"""People of an organization in the console: they sign in with a password, and see and change what is theirs alone."""

import re
from dataclasses import dataclass
from secrets import token_hex

import httpx
import pytest

from admin.access.attempts import FREE_OF_PAIR
from admin.console.surface import PAGES
from tests.admin.conftest import Admin
from tests.admin.portal.conftest import PASSWORD, Portal
from tests.console.conftest import Visitor, text_of
from tests.console.test_pages import used
from tests.web import NO_TLS, WEB


@dataclass(frozen=True, slots=True)
class Two:
    """Two organizations, each with an owner and a tenant; `theirs` is what the first must not see."""

    mine: str
    theirs: dict[str, str]


@pytest.fixture
def two(admin: Admin, visitor: Visitor) -> Two:
    portal, name = Portal(admin, visitor.http), f"o{token_hex(4)}"
    made = {}
    for each in ("a", "b"):
        portal.organization(f"{name}{each}")
        with httpx.Client(base_url=admin.url, timeout=20, verify=NO_TLS) as http:
            person = Visitor(http)
            signed_in(person, f"owner@{name}{each}.test")
            answer = person.send("/console/tenants/new", display_name=f"Tenant of {name}{each}", environment="prod")
            assert answer.status_code == 303, text_of(answer)
            made[each] = answer.headers["location"].partition("?")[0].rpartition("/")[2]
    key = admin.key(made["b"])["key"]
    limit = {"scope": "tenant", "tenant_id": made["b"], "unit": "tokens", "amount": 1000, "calendar": "month"}
    theirs = {"tenant": made["b"], "key": key["id"], "limit": admin.post("/limits", **limit).json()["id"]}
    theirs |= people_of(admin, f"{name}b")
    (theirs["request"],) = used(admin, {"tenant_id": made["b"], "request_id": f"of-{name}", "model": "m"})
    signed_in(visitor, f"owner@{name}a.test")
    return Two(made["a"], theirs | {"name": f"{name}b"})


def people_of(admin: Admin, name: str) -> dict[str, str]:
    """The ids of an organization, its owner, and somebody who is invited."""
    (found,) = admin.query(
        "SELECT a.organization, a.id AS account FROM accounts a JOIN organizations o ON o.id = a.organization"
        " WHERE o.name = $1",
        name,
    )
    invited = ("inv_" + token_hex(8), token_hex(32), found["organization"], f"invited@{name}.test")
    admin.query(
        "INSERT INTO invitations (id, token_hash, organization, email, role, expires_at)"
        " VALUES ($1, $2, $3, $4, 'owner', now() + interval '1 day')",
        *invited,
    )
    return {**found, "invitation": invited[0]}


def signed_in(who: Visitor, email: str, password: str = PASSWORD) -> httpx.Response:
    answer = who.http.post("/console/sign-in", data={"email": email, "password": password})
    assert answer.status_code == 303, text_of(answer)
    return answer


def test_somebody_signs_in_with_a_password_and_out_everywhere(two: Two, visitor: Visitor, admin: Admin) -> None:
    assert "owner@" in text_of(visitor.get("/console"))
    (row,) = admin.query("SELECT * FROM browser_sessions ORDER BY created_at DESC LIMIT 1")
    assert row["account_session"].startswith("ses_")
    (cookie,) = [f"{each.name}={each.value}" for each in visitor.http.cookies.jar]
    assert visitor.send("/console", "/console/sign-out").status_code == 303
    assert WEB.get(f"{admin.url}/console", headers={"cookie": cookie}).status_code == 303
    (ended,) = admin.query(
        "SELECT expires_at <= now() AS over FROM account_sessions WHERE id = $1", row["account_session"]
    )
    assert ended["over"]


def test_a_session_ends_when_the_account_is_disabled(two: Two, visitor: Visitor, admin: Admin) -> None:
    email = re.findall(r"owner@o\w+a\.test", visitor.get("/console").text)[0]
    (account,) = admin.query("SELECT id FROM accounts WHERE email = $1", email)
    admin.query("UPDATE accounts SET disabled = true WHERE id = $1", account["id"])
    admin.post("/admin-tokens", name=f"forget {email}", role="viewer")  # whereupon this process looks anew
    assert visitor.get("/console").status_code == 303


def test_nothing_tells_who_has_an_account(two: Two, visitor: Visitor, admin: Admin) -> None:
    with httpx.Client(base_url=admin.url, timeout=20, verify=NO_TLS) as http:
        answers = [
            http.post("/console/sign-in", data={"email": email, "password": "not the password", "next": "/console"})
            for email in (f"owner@{two.theirs['name']}.test", "nobody@nowhere.test")
        ]
    texts = [re.sub(r'value="[^"]*@[^"]*"', "", each.text) for each in answers]
    assert [each.status_code for each in answers] == [401, 401]
    assert texts[0] == texts[1]
    assert "Wrong e-mail address or password" in text_of(answers[0])
    assert "not the password" not in answers[0].text


def test_guesses_at_a_password_have_to_wait(admin: Admin, visitor: Visitor) -> None:
    Portal(admin, visitor.http).organization("guessed")
    guess = {"email": "owner@guessed.test", "password": "guess"}
    statuses = [visitor.http.post("/console/sign-in", data=guess).status_code for _ in range(FREE_OF_PAIR + 1)]
    assert statuses == [401] * FREE_OF_PAIR + [429]
    assert "try again in" in text_of(visitor.http.post("/console/sign-in", data=guess))


def test_a_token_of_an_account_is_no_admin_token_here(two: Two, visitor: Visitor, admin: Admin) -> None:
    token = Portal(admin, visitor.http).sign_in(f"owner@{two.theirs['name']}.test")["token"]
    assert visitor.http.post("/console/sign-in", data={"token": token}).status_code == 401


def test_people_see_their_own_tenants_and_change_them(two: Two, visitor: Visitor, admin: Admin) -> None:
    overview = text_of(visitor.get("/console"))
    assert "Spent today" in overview
    assert not re.search("Sidecars|In flight|Groups and weights", overview)
    tenants = text_of(visitor.get("/console/tenants"))
    assert "Tenant of" in tenants
    assert two.theirs["name"] not in tenants
    where = f"/console/tenants/{two.mine}"
    form = visitor.get(f"{where}/edit").text
    assert "tokens_per_minute" not in form
    changed = visitor.send(f"{where}/edit", display_name="Renamed", environment="staging")
    assert changed.status_code == 303, text_of(changed)
    assert "Renamed staging" in text_of(visitor.get(where))
    made = visitor.send(f"{where}/keys/new", name="prod")
    assert re.search(r"sk_[0-9a-f]{48}", made.text), text_of(made)
    shown = visitor.get(where).text
    assert "New limit" not in shown
    for path in ("/usage", "/usage?by=key", f"/usage?tenant={two.mine}", "/requests", "/audit"):
        assert visitor.get(f"/console{path}").status_code == 200, path


def test_what_bounds_a_tenant_is_not_its_organization_s(two: Two, visitor: Visitor, admin: Admin) -> None:
    fields = {"display_name": "Greedy", "tokens_per_minute": "1000000000", "weight": "1000", "status": "active"}
    answer = visitor.send("/console/tenants/new", **fields)
    assert answer.status_code == 403, text_of(answer)
    answer = visitor.send(f"/console/tenants/{two.mine}/edit", **{**fields, "organization": "other", "id": "x"})
    tenant = admin.http.get(f"/tenants/{two.mine}").json()
    assert (tenant["tokens_per_minute"], tenant["weight"]) == (None, 100)


def test_nothing_of_another_organization_is_seen_or_changed(two: Two, visitor: Visitor, admin: Admin) -> None:
    before = admin.audit()[0]["id"]
    ids = {**two.theirs, "id": two.theirs["tenant"], "name": "tenant:tokens:60s"}
    of = {"tenants": "tenant", "keys": "key", "limits": "limit", "models": "tenant", "groups": "name"}
    of |= {"policies": "name", "organizations": "organization", "mcp-servers": "tenant", "webhooks": "tenant"}
    form = visitor.hidden("/console")["_form"]
    tried = 0
    for module in PAGES:
        for route in module.routes.all:
            if "{" not in route.path:
                continue
            kind = route.path.split("/")[2]
            path = route.path.replace("{id}", two.theirs[of[kind]]).replace("{name}", ids["name"])
            path = path.replace("{account}", two.theirs["account"]).replace("{invitation}", two.theirs["invitation"])
            path = path.replace("{number}", "0").replace("{delivery}", "1")
            reads = "GET" in (route.methods or ())
            answer = visitor.get(path) if reads else visitor.http.post(path, data={"_form": form})
            assert answer.status_code in (403, 404, 422), (path, answer.status_code)
            assert two.theirs["name"] not in answer.text, path
            tried += 1
    assert tried > 25
    asked = {"usage": {"tenant": ids["tenant"]}, "requests": {"id": ids["request"]}, "audit": {"target": ids["tenant"]}}
    for page, query in asked.items():
        assert two.theirs["name"] not in visitor.get(f"/console/{page}", **query).text, page
    assert visitor.get("/console/find", q=two.theirs["key"]).headers["location"].startswith("/console/requests")
    assert admin.audit()[0]["id"] == before

"""Signing in and out, as an attacker tries it: fixation, forged forms, open redirects, cookies, guessing."""

import re
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from admin.access.browser_sessions import NewBrowserSession
from admin.access.tokens import digest_of
from admin.console.cookies import NAME, SECURE_NAME
from admin.console.sign_in import way_back
from admin.gate.authentication import FAILURES_ALLOWED, SLOW_SECONDS
from admin.postgres.browser_sessions import PostgresBrowserSessions
from store.postgres import open_postgres
from tests.admin.conftest import TOKEN, Admin, run_admin
from tests.conftest import PATIENT
from tests.console.conftest import Visitor, text_of
from tests.web import NO_TLS, WEB

PAGES = ("/console", "/console/live", "/console/tenants", "/console/nothing", "/console/find?q=x")
FORM = {"display_name": "acme"}


def cookie_of(answer: httpx.Response) -> tuple[str, Any]:
    """Name and attributes of the one cookie that is set."""
    ((name, morsel),) = SimpleCookie(answer.headers["set-cookie"]).items()
    return name, morsel


def token_of(visitor: Visitor) -> str:
    found = visitor.http.cookies.get(NAME)
    assert found
    return found


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_every_page_leads_to_the_sign_in_and_back(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 303, answer.text
    form = visitor.get(answer.headers["location"])
    assert form.status_code == 200
    assert re.search(r'name="next" value="([^"]*)"', form.text)[1] == way_back(path)  # type: ignore[index]


def test_a_form_without_a_session_is_refused(visitor: Visitor, admin: Admin) -> None:
    answer = visitor.http.post("/console/tenants/new", data=FORM)
    assert (answer.status_code, answer.headers["www-authenticate"].partition(" ")[0]) == (401, "Cookie")
    assert admin.http.get("/tenants", params={"name": "acme"}).json()["tenants"] == []


def test_a_cookie_is_out_of_reach_for_scripts_other_sites_and_other_paths(visitor: Visitor) -> None:
    name, cookie = cookie_of(visitor.sign_in())
    assert (name, cookie["path"], cookie["samesite"].lower()) == (NAME, "/console", "lax")
    assert (bool(cookie["httponly"]), bool(cookie["secure"]), cookie["domain"]) == (True, False, "")


def test_behind_tls_the_cookie_is_secure_and_no_other_host_can_set_it(admin: Admin) -> None:
    tls = {"x-forwarded-proto": "https"}
    answer = WEB.post(f"{admin.url}/console/sign-in", data={"token": TOKEN}, headers=tls)
    name, cookie = cookie_of(answer)
    assert (name, cookie["path"], cookie["domain"], bool(cookie["secure"])) == (SECURE_NAME, "/", "", True)
    with_it = {"cookie": f"{SECURE_NAME}={cookie.value}", **tls}
    assert WEB.get(f"{admin.url}/console", headers=with_it).status_code == 200
    # What another host of the domain can set has not the prefix, and is not looked at.
    without = {"cookie": f"{NAME}={cookie.value}", **tls}
    assert WEB.get(f"{admin.url}/console", headers=without).status_code == 303


def test_a_session_is_never_one_that_was_brought(visitor: Visitor) -> None:
    planted = "5" * 64
    visitor.http.cookies.set(NAME, planted, path="/console")
    assert visitor.sign_in().status_code == 303
    assert planted not in (mine := {each.value for each in visitor.http.cookies.jar} - {planted})
    assert len(mine) == 1
    other = {"cookie": f"{NAME}={planted}"}
    assert WEB.get(f"{visitor.http.base_url}/console", headers=other).status_code == 303


def test_signing_in_anew_ends_the_session_that_the_browser_had(owner: Visitor) -> None:
    before = token_of(owner)
    assert owner.sign_in().status_code == 303
    assert token_of(owner) != before
    assert WEB.get(f"{owner.http.base_url}/console", headers={"cookie": f"{NAME}={before}"}).status_code == 303


def test_signing_out_ends_the_session_for_all_who_have_its_cookie(owner: Visitor) -> None:
    stolen = {"cookie": f"{NAME}={token_of(owner)}"}
    url = f"{owner.http.base_url}/console"
    assert WEB.get(url, headers=stolen).status_code == 200
    answer = owner.send("/console", "/console/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert cookie_of(answer)[1]["max-age"] == "0"
    assert WEB.get(url, headers=stolen).status_code == 303


def test_a_session_ends_with_the_token_that_it_began_with(visitor: Visitor, admin: Admin) -> None:
    made = admin.post("/admin-tokens", name="ann", role="operator").json()
    assert visitor.sign_in(made["token"]).status_code == 303
    assert "ann" in text_of(visitor.get("/console/tenants"))
    assert admin.http.delete(f"/admin-tokens/{made['admin_token']['id']}").status_code == 204
    assert visitor.get("/console/tenants").status_code == 303


def test_nothing_of_a_session_is_kept_that_could_be_used_or_guessed_from(owner: Visitor, admin: Admin) -> None:
    kept = str(admin.query("SELECT * FROM browser_sessions"))
    for secret in (token_of(owner), TOKEN, digest_of(TOKEN).hex()):
        assert secret not in kept


FORGED = [
    {},  # no token at all
    {"_form": ""},
    {"_form": "0" * 64},
]


@pytest.mark.parametrize("fields", FORGED)
def test_a_form_without_the_token_of_the_session_changes_nothing(
    owner: Visitor, admin: Admin, fields: dict[str, str]
) -> None:
    answer = owner.http.post("/console/tenants/new", data={"display_name": "forged", **fields})
    assert answer.status_code == 403, answer.text
    assert admin.http.get("/tenants", params={"name": "forged"}).json()["tenants"] == []


def test_the_token_of_another_session_is_no_use(owner: Visitor, admin: Admin) -> None:
    with httpx.Client(base_url=admin.url, verify=NO_TLS) as http:
        other = Visitor(http)
        assert other.sign_in().status_code == 303
        theirs = other.hidden("/console/tenants/new")["_form"]
    assert owner.http.post("/console/tenants/new", data={"display_name": "x", "_form": theirs}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.test"},
        {"origin": "null"},
    ],
)
def test_a_form_that_another_site_had_the_browser_send_is_refused(owner: Visitor, headers: dict[str, str]) -> None:
    sent = {**owner.hidden("/console/tenants/new"), "display_name": f"from {headers}"}
    assert owner.http.post("/console/tenants/new", data=sent, headers=headers).status_code == 403
    # Signing a visitor in to another's session is a forgery too, before there is any token.
    assert owner.http.post("/console/sign-in", data={"token": TOKEN}, headers=headers).status_code == 403
    ours = {"sec-fetch-site": "same-origin", "origin": str(owner.http.base_url).rstrip("/")}
    assert owner.http.post("/console/tenants/new", data=sent, headers=ours).status_code == 303


@pytest.mark.parametrize(
    "next_",
    [
        "https://evil.test",
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/console/..//evil.test",
        "/console//evil.test",
        "///evil.test/console",
        "https:evil.test",
        "javascript:alert(1)",
        "/console@evil.test",
        "/consoles",
        "\t//evil.test",
        "/console/\r\nset-cookie: a=b",
        "/console/sign-out",
        "https://evil.test/console",
    ],
)
def test_signing_in_leads_nowhere_but_to_the_console(visitor: Visitor, next_: str) -> None:
    answer = visitor.sign_in(next=next_)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")


def test_signing_in_leads_back_to_the_page_that_was_asked_for(visitor: Visitor) -> None:
    asked = visitor.get("/console/tenants?name=a%26b")
    form = visitor.get(asked.headers["location"])
    next_ = re.search(r'name="next" value="([^"]*)"', form.text)
    assert next_
    answer = visitor.sign_in(next=next_[1].replace("&amp;", "&"))
    assert answer.headers["location"] == "/console/tenants?name=a%26b"


def test_every_answer_forbids_frames_other_hosts_and_inline_scripts(owner: Visitor) -> None:
    for path in ("/console/sign-in", "/console", "/console/live", "/console/nothing", "/console/tenants/x"):
        answer = owner.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|<style|javascript:", answer.text), path
        assert not re.search(r'(src|href|action)="(https?:)?//', answer.text), path


def test_wrong_tokens_are_slowed_down_with_those_of_the_api(database_url_sync: str, redis_url: str) -> None:
    with run_admin(database_url_sync, redis_url) as admin, httpx.Client(base_url=admin.url, verify=NO_TLS) as http:
        visitor = Visitor(http)
        wrong = {"authorization": "Bearer wrong"}
        for _ in range(FAILURES_ALLOWED // 2):
            assert visitor.sign_in("wrong").status_code == 401
            assert admin.http.get("/tenants", headers=wrong).status_code == 401
        answer = visitor.sign_in("wrong")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert "not an admin token" not in text_of(answer)
        assert answer.elapsed.total_seconds() >= SLOW_SECONDS
        assert admin.http.get("/tenants", headers=wrong).status_code == 429
        assert visitor.sign_in().status_code == 303


def test_a_wrong_token_is_told_and_not_shown(visitor: Visitor) -> None:
    answer = visitor.sign_in("not-the-token", next="/console/tenants")
    assert answer.status_code == 401
    assert "not an admin token" in text_of(answer)
    assert "not-the-token" not in answer.text
    assert 'value="/console/tenants"' in answer.text
    assert visitor.sign_in("").status_code == 422
    assert visitor.sign_in("x" * 600).status_code == 401
    assert not visitor.http.cookies


async def test_sessions_end_in_time_and_are_bounded(database_url: str) -> None:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        sessions = PostgresBrowserSessions(pool, max_sessions=3, max_of_account=2)
        credential = digest_of("x")
        over = NewBrowserSession("ann", credential, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        ann = [NewBrowserSession("ann", credential) for _ in range(3)]
        bob = [NewBrowserSession("bob", credential) for _ in range(2)]
        for new in (over, *ann, *bob):
            await sessions.begin(new)
        found = [await sessions.find(new.token) is not None for new in (over, *ann, *bob)]
        assert found == [False, False, False, True, True, True]
        assert await pool.fetchval("SELECT count(*) FROM browser_sessions") == 3

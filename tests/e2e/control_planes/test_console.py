"""The console in a real Chromium, in front of a real stack: what people do with it, and what keeps them from it."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from admin.console import sign_in
from admin.console.surface import PAGES
from tests.console.browser import NONE, chromium, running
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

T = TypeVar("T")
pytestmark = pytest.mark.skipif(chromium() is None, reason=NONE)

PATIENCE_MS = 20_000
MAX_BYTES = 200_000
SIZE = """
[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
.reduce((size, each) => size + each.encodedBodySize, 0)
"""
# `preload` would have it fetch each stylesheet again.
VIOLATIONS = {"resultTypes": ["violations"], "preload": False}
CHANGED = {"runOnly": ["color-contrast", "target-size", "scrollable-region-focusable"]}
PRICES = {"input_price": "3", "output_price": "15"}
TIER = {"service_tier": "batch", "input_price": "1.5"}
HOOK = {"name": "looked-at", "url": "https://hooks.test/", "enabled": False}
ANN = {"email": "ann@looked-at.test", "password": "a good password"}
ROUTES = [route for module in (sign_in, *PAGES) for route in module.routes.all]
NO_PAGES = {  # but parts of one, a file, and a way to another page
    *("/console/live", "/console/groups/live", "/console/capacity/live", "/console/usage/groups"),
    *("/console/tenants/{id}/budgets", "/console/usage.csv", "/console/find"),
}
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as browser:
        yield browser


@pytest.fixture
def priced(stack: Deployment) -> Iterator[str]:
    """The id of the model, with prices."""
    made = stack.admin.post("/models", json={"name": MODEL, **PRICES})
    assert made.status_code == 201, made.text
    yield made.json()["id"]
    stack.admin.delete(f"/models/{made.json()['id']}")


@contextmanager
def visiting(browser: Browser, stack: Deployment, **options: Any) -> Iterator[Page]:
    """A page of the console, signed in.  Nothing comes from elsewhere, nothing is blocked, no script fails."""
    origin = f"http://{stack.admin_address}"
    context = browser.new_context(base_url=origin, **options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    elsewhere, faults = list[str](), list[str]()
    page.on("request", lambda request: None if request.url.startswith(origin) else elsewhere.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
    page.goto("/console")
    page.get_by_label("Admin token").fill(DEV_ADMIN_TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console")
    yield page
    assert (elsewhere, faults) == ([], [])
    context.close()


def test_from_signing_in_to_the_refusal_of_a_revoked_key(browser: Browser, stack: Deployment, priced: str) -> None:
    with visiting(browser, stack, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_role("link", name="Tenants").click()
        page.get_by_role("link", name="New tenant").click()
        page.get_by_label("Display name").fill("Journey")
        page.get_by_label("Environment").fill("production")
        page.get_by_role("button", name="Create tenant").click()
        expect(page.get_by_role("heading", name="Journey")).to_be_visible()
        tenant_id = urlsplit(page.url).path.rpartition("/")[2]

        page.get_by_role("link", name="New key").click()
        page.get_by_label("Name", exact=True).fill("prod")
        page.get_by_role("button", name="Create key").click()
        secret = page.locator("#secret").inner_text()
        page.get_by_role("button", name="Copy").click()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.get_by_role("link", name="Done, I have it").click()
        assert secret not in page.content()

        who = Credential(tenant_id, "", secret)
        answer = wait_for(lambda: a if (a := stack.chat(who)).status_code == 200 else None, "a key that works")
        aside(stack.usage_when, who, 1)
        page.get_by_role("link", name="Usage", exact=True).first.click()
        row = page.get_by_role("row", name=re.compile("Journey"))
        expect(row).to_contain_text("1")
        find(page, answer.headers["x-request-id"])
        expect(page.get_by_role("heading", name=re.compile("Admitted"))).to_be_visible()
        expect(page.get_by_text("Recomputed from the row")).to_be_visible()

        limit(page, tenant_id)
        refused = wait_for(lambda: a if (a := stack.chat(who)).status_code == 429 else None, "a refusal")
        aside(stack.usage_when, who, 2)
        find(page, refused.headers["x-request-id"])
        expect(page.get_by_role("heading", name="Refused with 429 by the limit one-a-day")).to_be_visible()

        find(page, secret)
        page.get_by_role("link", name="Revoke").click()
        page.get_by_role("button", name="Revoke prod").click()
        expect(page.get_by_role("status")).to_contain_text("revoked")
        wait_for(lambda: a if (a := stack.chat(who)).status_code == 401 else None, "the refusal of the key")


def aside(function: Callable[..., T], *arguments: object) -> T:
    """In a thread of its own: Playwright has an event loop run in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def find(page: Page, what: str) -> None:
    """By the field at the top, with the keyboard alone."""
    page.keyboard.press("/")
    page.keyboard.type(what)
    page.keyboard.press("Enter")
    page.wait_for_load_state()


def limit(page: Page, tenant_id: str) -> None:
    page.goto(f"/console/tenants/{tenant_id}/limits/new")
    page.get_by_label("At most").fill("1")
    page.get_by_label("of", exact=True).select_option("requests")
    page.get_by_label("Every").select_option("day")
    page.get_by_label("Name").fill("one-a-day")
    page.get_by_role("button", name="Create limit").click()
    page.wait_for_url(f"**/tenants/{tenant_id}?*")


def test_figures_change_while_somebody_looks(browser: Browser, stack: Deployment) -> None:
    with visiting(browser, stack) as page:
        figure = page.locator("dl.figures div", has_text="Requests today").locator("dd")
        before = figure.inner_text()
        who = stack.tenant()
        assert stack.chat(who).status_code == 200
        expect(figure).not_to_have_text(before)
        aside(stack.rows, "DELETE FROM browser_sessions")
        page.wait_for_url("**/console/sign-in?next=%2Fconsole")


@pytest.mark.timeout(300)
def test_pages_are_small_and_have_no_serious_accessibility_fault(
    browser: Browser, stack: Deployment, priced: str
) -> None:
    who = stack.tenant(name="<Accessible> & bold", metadata={"environment": "staging"})
    limit = {"name": "limit_of_one_long_word" * 2, "scope": "tenant", "tenant_id": who.tenant_id, "unit": "requests"}
    made = stack.admin.post("/limits", json=limit | {"amount": 3, "window_seconds": 3600}).raise_for_status().json()
    for status in (200, 200, 200, 429):  # so that the overview has a limit in both of its tables
        assert stack.chat(who).status_code == status
    row = next(each for each in aside(stack.usage_when, who, 4) if each["status"] == 200)
    tenant, key = f"/console/tenants/{who.tenant_id}", f"/console/keys/{who.key_id}"
    pages = ["/console", "/console/tenants?name=Accessible", "/console/tenants/new", "/console/nothing"]
    pages += [f"{tenant}{page}" for page in ("", "/statement", "/edit", "/delete", "/keys/new", "/limits/new")]
    pages += [f"{tenant}/budgets/tenant:tokens:60s", key, f"{key}/revoke", f"{key}/edit"]
    pages += [f"/console/limits/{made['id']}", "/console/usage", f"/console/requests?id={row['id']}"]
    pages += [f"/console/usage?tenant={who.tenant_id}&by=model&period=1h", f"/console/audit?target={who.tenant_id}"]
    settings, people = prepared(stack, priced)
    pages += settings
    with visiting(browser, stack, color_scheme="light", viewport={"width": 1280, "height": 900}) as page:
        for path in pages:
            page.goto(path, wait_until="load")
            check(page, path)
        page.goto(f"{tenant}/keys/new")
        page.get_by_label("Name", exact=True).fill("looked at")
        page.get_by_role("button", name="Create key").click()
        expect(page.locator("#secret")).to_be_visible()
        check(page, "the secret of a key")
        page.goto(people)
        page.get_by_label("E-mail address").fill("bob@looked-at.test")
        page.get_by_role("button", name="Invite").click()
        expect(page.locator("#secret")).to_be_visible()
        check(page, "an invitation")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/console/sign-in")
        check(page, "signing in")
        page.get_by_label("E-mail address").fill(ANN["email"])
        page.get_by_label("Password").fill(ANN["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/console")
        check(page, "the overview of an organization")
        page.goto("/console/accept")
        check(page, "accepting an invitation")
    looked_at = {route_of(path.partition("?")[0]) for path in (*pages, people, "/console/sign-in", "/console/accept")}
    assert {route.path for route in ROUTES if "GET" in (route.methods or ())} - looked_at == NO_PAGES


def route_of(path: str) -> str:
    """The route that answers a GET of a path; "" for none."""
    found = (route for route in ROUTES if "GET" in (route.methods or ()) and route.path_regex.match(path))
    return next((route.path for route in found), "")


def prepared(stack: Deployment, model: str) -> tuple[list[str], str]:
    """Pages of what bounds requests, and of people, each with something in it; and that of an organization."""
    rule = {"name": "daily", "unit": "cost", "amount": "12.5", "calendar": "day"}
    stack.admin.post("/policies", json={"name": "gold", "limits": [rule]}).raise_for_status()
    stack.admin.put(f"/models/{model}", json={"name": MODEL, **PRICES, "price_tiers": [TIER]}).raise_for_status()
    server = {"name": "looked-at", "url": "http://10.0.0.1/mcp", "grants": [{"tools": ["a_long_name" * 8]}, {}]}
    server_id = stack.admin.post("/mcp-servers", json=server).raise_for_status().json()["id"]
    made = stack.admin.post("/organizations", json={"name": "Looked at"}).raise_for_status().json()["id"]
    body = {**ANN, "organization": made, "role": "owner"}
    account = stack.admin.post("/accounts", json=body).raise_for_status().json()["id"]
    people, policy = f"organizations/{made}", "policies/gold"
    pages = ["models", "models/new", f"models/{model}", f"models/{model}/tiers", f"models/{model}/tiers/0"]
    pages += [f"models/{model}/cache", "mcp-servers", "mcp-servers/new", f"mcp-servers/{server_id}"]
    hook = stack.admin.post("/webhooks", json=HOOK).raise_for_status().json()["webhook"]["id"]
    stack.admin.post(f"/webhooks/{hook}/test").raise_for_status()
    pages += ["webhooks", "webhooks/new", f"webhooks/{hook}"]
    pages += ["groups", "groups/default", "groups/default/limits", "capacity"]
    pages += ["policies", policy, f"{policy}/limits", f"{policy}/limits/0"]
    pages += ["organizations", people, f"{people}/accounts/{account}"]
    return [f"/console/{each}" for each in pages], f"/console/{people}"


def check(page: Page, path: str) -> None:
    """Its size, and in light, and in dark on a small screen: there only what may be different."""
    size = page.evaluate(SIZE)
    assert 1000 < size < MAX_BYTES, (path, size)
    assert serious(Axe().run(page, options=VIOLATIONS).response) == [], (path, "light")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert serious(page.evaluate(f"axe.run(document, {json.dumps(VIOLATIONS | CHANGED)})")) == [], (path, "dark")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 1, path  # a pixel of rounding
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def serious(found: dict[str, Any]) -> list[Any]:
    """Of what axe-core finds, that which keeps people out."""
    return [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_without_javascript_people_do_the_same(browser: Browser, stack: Deployment) -> None:
    with visiting(browser, stack, java_script_enabled=False) as page:
        page.goto("/console/tenants/new")
        page.get_by_label("Display name").fill("No script")
        page.get_by_role("button", name="Create tenant").click()
        expect(page.get_by_role("heading", name="No script")).to_be_visible()
        page.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete No script").click()
        expect(page.get_by_role("status")).to_contain_text("deleted")


def test_names_are_never_markup(browser: Browser, stack: Deployment) -> None:
    nasty = "<img src=x onerror=\"document.title='owned'\">'\"><script>document.title='owned'</script>"
    who = stack.tenant(name=nasty, metadata={"environment": nasty}, key={"name": nasty, "models_allowed": [nasty]})
    with visiting(browser, stack) as page:
        pages = (
            "/console/tenants",
            f"/console/tenants/{who.tenant_id}",
            f"/console/keys/{who.key_id}",
            "/console/audit",
        )
        for path in pages:
            page.goto(path)
            assert page.locator("img[src=x]").count() == 0
            assert "owned" not in page.title().replace(nasty, "")

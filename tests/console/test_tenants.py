"""Tenants, their keys and their budgets in pages: what is shown, what is changed, and for whom."""

import re

import httpx
import pytest

from tests.admin.conftest import Admin
from tests.console.conftest import Visitor, text_of

NASTY = "<img src=x onerror=alert(1)>\"'&{{7*7}}"


def made(answer: httpx.Response) -> str:
    """The address of what a form made."""
    assert answer.status_code == 303, text_of(answer)
    where: str = answer.headers["location"].partition("?")[0]
    return where


def test_a_tenant_is_made_changed_and_deleted(owner: Visitor, admin: Admin) -> None:
    fields = {
        "display_name": "Support bot",
        "name": "support",
        "environment": "production",
        "tokens_per_minute": "500k",
    }
    where = made(owner.send("/console/tenants/new", **fields))
    page = text_of(owner.get(where))
    for text in ("Support bot", "production", "at most 500,000 tokens a minute", "No key yet"):
        assert text in page
    tenant = admin.http.get(f"/tenants/{where.rpartition('/')[2]}").json()
    assert (tenant["tokens_per_minute"], tenant["metadata"]) == (500_000, {"environment": "production"})
    entry = admin.audit()[0]
    assert (entry["action"], entry["actor"], entry["source"]) == ("create_tenant", "admin", "127.0.0.1")

    admin.http.patch(f"/tenants/{tenant['id']}", json={"metadata": {"environment": "production", "owner": "ann"}})
    form = f"{where}/edit"
    seen = owner.hidden(form)
    changed = {
        "display_name": "Support bot",
        "name": "support",
        "tokens_per_minute": "",
        "weight": "250",
        "fairshare_group": "default",
    }
    assert owner.send(form, **changed).status_code == 303
    tenant = admin.http.get(f"/tenants/{tenant['id']}").json()
    assert (tenant["tokens_per_minute"], tenant["weight"], tenant["metadata"]) == (None, 250, {"owner": "ann"})
    # What was open in another tab is not what is there any more.
    assert owner.http.post(form, data={**seen, **changed, "weight": "300"}).status_code == 412

    assert "Support bot" in text_of(owner.get(f"{where}/delete"))
    assert owner.send(f"{where}/delete").status_code == 303
    assert owner.get(where).status_code == 404


def test_a_form_that_is_sent_twice_makes_one(owner: Visitor, admin: Admin) -> None:
    sent = {**owner.hidden("/console/tenants/new"), "display_name": "twice"}
    first, second = (owner.http.post("/console/tenants/new", data=sent) for _ in range(2))
    assert made(first) == made(second)
    assert owner.http.post("/console/tenants/new", data={**sent, "display_name": "other"}).status_code == 409
    where = made(first)
    key = {**owner.hidden(f"{where}/keys/new"), "name": "prod"}
    secrets = [re.findall(r"sk_[0-9a-f]{48}", owner.http.post(f"{where}/keys/new", data=key).text) for _ in range(2)]
    assert [len(each) for each in secrets] == [1, 0]
    assert len(admin.http.get(f"{where.replace('/console', '')}/keys").json()["keys"]) == 1


@pytest.mark.parametrize("begins", ["sk_", "xag_"])
def test_a_secret_that_is_looked_for_is_in_no_address(begins: str, owner: Visitor) -> None:
    secret = begins + "0123456789ab" * 4
    for asked in (secret, f"Bearer {secret}"):
        found = owner.get("/console/find", q=asked)
        assert found.status_code == 303
        assert secret[18:] not in found.headers["location"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"display_name": ""}, "required"),
        ({"display_name": "x", "weight": "0"}, "greater than or equal to 1"),
        ({"display_name": "x", "tokens_per_minute": "many"}, "must be a number"),
        ({"display_name": "x", "tokens_per_minute": "1.5"}, "must be a whole number"),
        ({"display_name": "x", "fairshare_group": "nowhere"}, "there is no fairshare group"),
        ({"display_name": "x", "environment": "y" * 65}, "at most 64"),
        ({"display_name": "x\x00y"}, "control characters"),
        ({"display_name": "Another", "name": "taken"}, "already a tenant named"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    owner: Visitor, fields: dict[str, str], says: str
) -> None:
    owner.send("/console/tenants/new", display_name="taken")
    answer = owner.send("/console/tenants/new", **fields)
    assert (answer.status_code in (409, 422), says in text_of(answer)) == (True, True), text_of(answer)
    field = list(fields)[-1]
    assert f'aria-invalid="true" aria-describedby="{field}-says"' in answer.text
    assert f'value="{fields["display_name"]}"' in answer.text


def test_names_are_text_wherever_they_are_shown(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant(NASTY, metadata={"environment": NASTY, "note": NASTY})
    key = admin.key(tenant["id"], NASTY, models_allowed=[NASTY])["key"]
    where = f"/console/tenants/{tenant['id']}"
    pages = ["/console/tenants", where, f"{where}/edit", f"{where}/delete", f"{where}/keys/new"]
    pages += [f"/console/keys/{key['id']}", f"/console/keys/{key['id']}/revoke", "/console/nothing/" + NASTY]
    for page in pages:
        answer = owner.get(page)
        assert "<img src=x" not in answer.text, page
        assert "&lt;img src=x" in answer.text or page.endswith(NASTY), page
        assert "{{7*7}}" in answer.text.replace("%7B", "{").replace("%7D", "}"), page
    found = owner.get("/console/tenants", name=f'"><script>{NASTY}')
    assert "<script>" not in found.text
    assert "&lt;script&gt;" in found.text


def test_tenants_are_found_by_a_part_of_the_name_and_paged(owner: Visitor, admin: Admin) -> None:
    for number in range(51):
        admin.tenant(f"Page-{number:02}")
    first = owner.get("/console/tenants", name="pAGE-")
    assert first.text.count(">Page-") == 50
    (more,) = re.findall(r'rel="next" href="([^"]*)"', first.text)
    second = owner.get(more.replace("&amp;", "&"))
    assert (second.text.count(">Page-"), 'rel="next"' in second.text) == (1, False)
    assert "No tenant is called" in text_of(owner.get("/console/tenants", name="nobody at all"))
    for after in ("x", "2026-01-01T00:00:00~x", "2026-01-01T00:00:00Z~\x00", "~"):
        assert owner.get("/console/tenants", after=after).status_code == 200


def test_a_key_lives(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("of the key")
    where = f"/console/tenants/{tenant['id']}"
    answer = owner.send(f"{where}/keys/new", name="prod", models_allowed="gpt-x, mock-model", days="30", user_id="ann")
    assert answer.status_code == 200, text_of(answer)
    (secret,) = set(re.findall(r"sk_[0-9a-f]{48}", answer.text))
    record = admin.record(secret)
    assert record is not None
    (key,) = admin.http.get(f"/tenants/{tenant['id']}/keys").json()["keys"]
    assert (key["models_allowed"], key["user_id"]) == (["gpt-x", "mock-model"], "ann")
    page = f"/console/keys/{key['id']}"
    for path in (where, page, f"{page}/revoke"):
        shown = owner.get(path).text
        assert key["key_prefix"] in shown, path
        assert secret not in shown, path

    answer = owner.send(page, f"{page}/rotate", overlap_seconds="3600")
    (newer,) = set(re.findall(r"sk_[0-9a-f]{48}", answer.text))
    assert newer != secret
    assert "Old secret" in text_of(owner.get(page))
    assert owner.send(page, f"{page}/disabled", disabled="true").status_code == 303
    assert "disabled" in text_of(owner.get(where))
    assert admin.http.get(f"/keys/{key['id']}").json()["disabled"] is True
    assert owner.send(page, f"{page}/disabled", disabled="false").status_code == 303
    answer = owner.send(f"{page}/revoke")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{where}?done=key-revoked")
    assert "is revoked" in text_of(owner.get(answer.headers["location"]))
    assert owner.get(page).status_code == 404
    assert "No key yet" in text_of(owner.get(where))


def test_a_budget_is_seen_charged_and_reset(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("of the budget", tokens_per_minute=None)
    limit = {"scope": "tenant", "tenant_id": tenant["id"], "unit": "tokens", "amount": 1000, "calendar": "month"}
    budget = admin.post("/limits", **limit, name="monthly").json()["id"]
    where = f"/console/tenants/{tenant['id']}"
    page = f"{where}/budgets/{budget}"
    assert owner.send(page, f"{page}/adjust", amount="-0.4k").headers["location"] == f"{where}?done=budget-adjusted"
    assert "400 tokens 600 tokens" in text_of(owner.get(f"{where}/budgets"))
    for amount, says in (
        ("", "required"),
        ("much", "must be a number"),
        ("0", "other than 0"),
        ("1.5", "whole number"),
    ):
        answer = owner.send(page, f"{page}/adjust", amount=amount)
        assert (answer.status_code, says in text_of(answer)) == (422, True), (amount, text_of(answer))
    assert owner.send(page, f"{page}/reset").status_code == 303
    assert "0 tokens 1,000 tokens" in text_of(owner.get(f"{where}/budgets"))
    assert owner.get(f"{where}/budgets/nothing").status_code == 404
    assert [each["action"] for each in admin.audit()[:2]] == ["reset_budget", "adjust_budget"]


def test_the_field_at_the_top_finds_what_an_id_or_a_name_belongs_to(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("To be found!")
    minted = admin.key(tenant["id"])
    key = f"/console/keys/{minted['key']['id']}"
    places = {
        tenant["id"]: f"/console/tenants/{tenant['id']}",
        "To be found!": f"/console/tenants/{tenant['id']}",
        minted["key"]["id"]: key,
        minted["key"]["key_prefix"]: key,
        minted["secret"]: key,  # pasted whole: it is not sent on
        "req-1/2?x": "/console/requests?id=req-1%2F2%3Fx",
        "": "/console",
    }
    for asked, place in places.items():
        answer = owner.get("/console/find", q=asked)
        assert (answer.status_code, answer.headers["location"]) == (303, place), asked

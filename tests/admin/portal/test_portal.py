"""The portal over HTTP: plans, sessions, people, what is refused; and that every other surface governs its tenants."""

from typing import Any

import pytest

from tests.admin.conftest import TOKEN
from tests.admin.portal.conftest import PASSWORD, Portal


def refusal(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def test_the_fourth_tenant_of_the_free_plan(portal: Portal) -> None:
    portal.organization("acme")
    owner = portal.as_("owner@acme.test")
    for n in range(3):
        made = portal.http.post("/tenants", json={"display_name": f"Team {n}"}, headers=owner)
        assert (made.status_code, made.json()["environment"]) == (201, "prod")
    refused = portal.http.post("/tenants", json={"display_name": "Team 3"}, headers=owner)
    assert refusal(refused, 409, "full")["error"] == (
        "the plan free includes 3 tenants, and there are 3; delete one, or move to a larger plan"
    )
    summary = portal.http.get("/dashboard/org/summary", headers=owner).json()
    assert (summary["tenants"], summary["plan_max_tenants"], summary["tenants_percent_used"]) == (3, 3, 100)
    assert portal.http.delete(f"/tenants/{made.json()['id']}", headers=owner).status_code == 204
    assert portal.http.post("/tenants", json={"display_name": "Team 3"}, headers=owner).status_code == 201


def test_a_tenant_is_governed_by_the_other_surfaces(portal: Portal) -> None:
    portal.organization("acme")
    owner = portal.as_("owner@acme.test")
    operators = portal.admin.tenant("operators")["id"]
    tenant = portal.http.post("/tenants", json={"display_name": "Tëam One"}, headers=owner).json()["id"]
    assert tenant.startswith("xs_team_")
    key = portal.http.post(f"/tenants/{tenant}/keys", json={"display_name": "k"}, headers=owner).json()
    portal.admin.http.put(f"/tenants/{tenant}/quota", json={"tokens_per_minute": 100}).raise_for_status()
    record = portal.admin.record(key["key"])
    assert record is not None
    assert record["tokens_per_minute"] == 100
    usage = portal.http.get(f"/dashboard/tenants/{tenant}/usage", headers=owner).json()
    (budget,) = usage["budgets"]
    assert (budget["unit"], budget["limit"], budget["used"], budget["percent_used"]) == ("tokens", 100, 0, 0)
    seen = portal.admin.http.get("/tenants", headers=owner).json()["tenants"]
    assert [each["id"] for each in seen] == [tenant]
    assert (
        portal.admin.http.patch(f"/tenants/{tenant}", json={"tokens_per_minute": 9}, headers=owner).status_code == 403
    )
    assert portal.admin.http.patch(f"/keys/{key['id']}", json={"disabled": True}, headers=owner).status_code == 200
    record = portal.admin.record(key["key"])
    assert record is not None
    assert record["disabled"] is True
    rotated = portal.admin.http.post(f"/keys/{key['id']}/rotate", headers=owner).json()["secret"]
    assert (rotated[:4], len(rotated)) == ("xag_", 52)
    everybodys = portal.http.get("/tenants", headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert {each["id"] for each in everybodys} == {tenant, operators}
    refusal(portal.http.get("/dashboard/org/summary", headers={"authorization": f"Bearer {TOKEN}"}), 403, "forbidden")


def test_a_session_is_renewed_and_ended(portal: Portal) -> None:
    portal.organization("acme")
    first = portal.sign_in("owner@acme.test")
    assert (first["token_type"], first["expires_in"], first["account"]["role"]) == ("Bearer", 3600, "owner")
    renewed = portal.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    headers = {"authorization": f"Bearer {renewed['token']}"}
    assert portal.http.get("/tenants", headers=headers).json() == []
    assert portal.http.post("/auth/logout", headers=headers).status_code == 204
    for path in ("/tenants", "/organization", "/api/v1/tenants"):
        answer = portal.http.get(path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "/auth/refresh" in refusal(portal.http.get("/tenants", headers=headers), 401, "wrong_credential")["error"]
    assert "/auth/login" in refusal(portal.http.get("/tenants"), 401, "no_credential")["error"]
    again = portal.http.post("/auth/refresh", json={"refresh_token": renewed["refresh_token"]})
    refusal(again, 401, "wrong_credential")


def test_a_new_password(portal: Portal) -> None:
    portal.organization("acme")
    owner = portal.as_("owner@acme.test")
    change = {"old_password": PASSWORD, "new_password": "another password"}
    changed = portal.http.post("/auth/password", json=change, headers=owner).json()
    assert portal.http.get("/tenants", headers=owner).status_code == 401
    headers = {"authorization": f"Bearer {changed['token']}"}
    assert portal.http.get("/tenants", headers=headers).status_code == 200
    refusal(
        portal.http.post("/auth/password", json=change, headers={"authorization": f"Bearer {TOKEN}"}),
        401,
        "wrong_credential",
    )


def test_people_are_invited_by_owners(portal: Portal) -> None:
    acme = portal.organization("acme")
    owner = portal.as_("owner@acme.test")
    asked = {"email": "Bob@acme.test", "role": "viewer"}
    invited = portal.http.post("/organization/invitations", json=asked, headers=owner).json()
    assert [each["id"] for each in portal.http.get("/organization/invitations", headers=owner).json()] == [
        invited["id"]
    ]
    accepted = portal.http.post("/auth/accept", json={"invitation": invited["invitation"], "password": PASSWORD})
    assert (accepted.status_code, accepted.json()["account"]["organization"]) == (201, acme)
    bob = {"authorization": f"Bearer {accepted.json()['token']}"}
    assert portal.http.get("/organization", headers=bob).json()["billing_plan"] == "free"
    for method, path, body in (
        ("POST", "/tenants", {"display_name": "x"}),
        ("GET", "/organization/accounts", None),
        ("POST", "/organization/invitations", asked),
    ):
        refusal(portal.http.request(method, path, json=body, headers=bob), 403, "forbidden")
    bobs = f"/organization/accounts/{accepted.json()['account']['id']}"
    assert portal.http.patch(bobs, json={"role": "member"}, headers=owner).json()["role"] == "member"
    assert portal.http.post("/tenants", json={"display_name": "x"}, headers=bob).status_code == 201
    assert portal.http.delete(bobs, headers=owner).status_code == 204
    assert portal.http.get("/tenants", headers=bob).status_code == 401
    own = portal.sign_in("owner@acme.test")["account"]["id"]
    refusal(portal.http.delete(f"/organization/accounts/{own}", headers=owner), 409, "in_use")


BAD: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/tenants", {"display_name": "x", "id": "xs_mine_aaaaaaaa"}, "id"),
    ("POST", "/tenants", {"display_name": "x", "organization": "org_other"}, "organization"),
    ("POST", "/tenants", {"display_name": "x", "weight": 1000}, "weight"),
    ("POST", "/tenants", {"display_name": "x", "environment": "test"}, "environment"),
    ("POST", "/tenants", {"display_name": "a\0b"}, "display_name"),
    ("POST", "/tenants", {}, "display_name"),
    ("PATCH", "/tenants/x", {"tokens_per_minute": 10**9}, "tokens_per_minute"),
    ("POST", "/organization/invitations", {"email": "a@b.c", "role": "king"}, "role"),
    ("POST", "/organization/invitations", {"email": "a@b.c", "organization": "org_other"}, "organization"),
    ("POST", "/auth/login", {"email": "a@b.c", "password": "x", "role": "owner"}, "role"),
    ("POST", "/auth/accept", {"invitation": "x", "password": PASSWORD, "role": "owner"}, "role"),
]


def test_fields_that_are_not_ones_own_are_refused_by_name(portal: Portal) -> None:
    portal.organization("acme")
    owner = portal.as_("owner@acme.test")
    for method, path, body, field in BAD:
        answer = portal.http.request(method, path, json=body, headers=owner)
        assert [*refusal(answer, 422, "invalid")["fields"]] == [field], (method, path)


@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/accept"])
def test_what_is_open_to_anybody_takes_its_body_only(portal: Portal, path: str) -> None:
    refusal(portal.http.post(path, json={}), 422, "invalid")
    refusal(portal.http.post(path, content=b"{"), 400, "malformed")
    assert portal.http.get(path).status_code == 405


def test_an_idempotency_key_of_one_organization_brings_nothing_of_anothers(portal: Portal) -> None:
    made: dict[str, set[tuple[str, str]]] = {}
    for name in ("acme", "other"):
        portal.organization(name)
        headers = {**portal.as_(f"owner@{name}.test"), "idempotency-key": "the-same"}
        for _ in range(2):
            answer = portal.admin.http.post("/tenants", json={"name": "the same"}, headers=headers)
            assert answer.status_code == 201, answer.text
            made.setdefault(name, set()).add((answer.json()["id"], answer.json()["organization"]))
    assert [len(each) for each in made.values()] == [1, 1]
    assert made["acme"] != made["other"]


def test_the_environment_changes_beside_what_operators_noted(portal: Portal) -> None:
    portal.organization("acme")
    owner = portal.as_("owner@acme.test")
    tenant = portal.http.post("/tenants", json={"display_name": "x"}, headers=owner).json()["id"]
    portal.admin.http.patch(f"/tenants/{tenant}", json={"metadata": {"environment": "prod", "crm": "7"}})
    changed = portal.http.patch(f"/tenants/{tenant}", json={"environment": "dev"}, headers=owner).json()
    assert (changed["environment"], changed["display_name"]) == ("dev", "x")
    assert portal.admin.http.get(f"/tenants/{tenant}").json()["metadata"] == {"environment": "dev", "crm": "7"}

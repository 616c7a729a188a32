"""Organizations and their people in the console: an operator makes one, an owner invites, the invited sign in."""

import re

import httpx

from tests.admin.conftest import Admin
from tests.console.conftest import Visitor, text_of
from tests.console.test_accounts import signed_in
from tests.web import NO_TLS

SECRET = re.compile(r'<code id="secret">(tki_[0-9a-f]{48})</code>')
GOOD = "a good password"


def invitation_of(answer: httpx.Response) -> str:
    found = SECRET.search(answer.text)
    assert found is not None, text_of(answer)
    return found[1]


def accepted(admin: Admin, invitation: str, password: str = GOOD) -> Visitor:
    """Somebody who has made an account of it; close it."""
    person = Visitor(httpx.Client(base_url=admin.url, verify=NO_TLS, timeout=20))
    answer = person.http.post("/console/accept", data={"invitation": invitation, "password": password})
    assert answer.status_code == 303, text_of(answer)
    return person


def test_from_an_organization_to_its_people(owner: Visitor, admin: Admin) -> None:
    made = owner.send("/console/organizations", name="Acme <Ltd>", plan="scale")
    where = made.headers["location"].partition("?")[0]
    assert "Nobody yet" in text_of(owner.get(where))
    invitation = invitation_of(owner.send(where, f"{where}/invitations", email="ann@acme.test", role="owner"))
    shown = owner.get(where)
    assert "ann@acme.test" in shown.text
    assert invitation not in shown.text

    ann = accepted(admin, invitation)
    assert ann.get("/console/organizations").headers["location"] == where
    page = ann.get(where)
    assert "ann@acme.test" in page.text
    assert "Name and plan" not in page.text
    assert "Acme &lt;Ltd&gt;" in page.text
    again = ann.http.post("/console/accept", data={"invitation": invitation, "password": GOOD})
    assert (again.status_code, "no such invitation" in text_of(again)) == (404, True)

    bob = accepted(admin, invitation_of(ann.send(where, f"{where}/invitations", email="bob@acme.test", role="viewer")))
    assert "Invite somebody" not in bob.get(where).text
    (account,) = admin.query("SELECT id FROM accounts WHERE email = 'bob@acme.test'")
    person = f"{where}/accounts/{account['id']}"
    assert ann.send(person, role="member", disabled="false").status_code == 303
    assert bob.get("/console/tenants/new").status_code == 200
    assert ann.send(person, role="member", disabled="true").status_code == 303
    assert bob.get("/console").status_code == 303
    (last,) = admin.query("SELECT id FROM accounts WHERE email = 'ann@acme.test'")
    alone = ann.send(f"{where}/accounts/{last['id']}", role="viewer", disabled="false")
    assert (alone.status_code, "the last owner" in text_of(alone)) == (409, True)
    assert ann.send(person, f"{person}/delete").status_code == 303
    assert owner.send(where, name="Acme", plan="free").status_code == 303
    assert (
        owner.send(where, f"{where}/delete").headers["location"] == "/console/organizations?done=organization-deleted"
    )
    assert ann.get("/console").status_code == 303
    for each in (ann, bob):
        each.http.close()


def test_an_invitation_is_withdrawn_and_then_opens_nothing(owner: Visitor, admin: Admin) -> None:
    made = admin.post("/organizations", name="withdrawing").json()["id"]
    where = f"/console/organizations/{made}"
    invitation = invitation_of(owner.send(where, f"{where}/invitations", email="eve@x.test", role="member"))
    (withdraw,) = re.findall(rf'action="({where}/invitations/\w+/withdraw)"', owner.get(where).text)
    done = owner.http.post(withdraw, data={"_form": owner.hidden(where)["_form"]})
    assert done.headers["location"] == f"{where}?done=invitation-withdrawn"
    answer = owner.http.post("/console/accept", data={"invitation": invitation, "password": GOOD})
    assert answer.status_code == 404


def test_a_password_that_is_not_good_is_said_beside_its_field(visitor: Visitor) -> None:
    answer = visitor.http.post("/console/accept", data={"invitation": "tki_x", "password": "short"})
    assert (answer.status_code, "must have 12 to 256 characters" in text_of(answer)) == (422, True)
    assert "short" not in answer.text
    assert visitor.http.post("/console/accept", headers={"origin": "https://elsewhere.test"}).status_code == 403


def test_somebody_of_another_organization_is_not_there(owner: Visitor, admin: Admin, visitor: Visitor) -> None:
    """Not even for operators, under an organization that is not theirs."""
    ids = [admin.post("/organizations", name=f"apart {n}").json()["id"] for n in range(2)]
    body = {"email": "zoe@apart.test", "password": GOOD, "organization": ids[1], "role": "owner"}
    zoe = admin.post("/accounts", **body).json()["id"]
    assert owner.get(f"/console/organizations/{ids[0]}/accounts/{zoe}").status_code == 404
    assert owner.get(f"/console/organizations/{ids[1]}/accounts/{zoe}").status_code == 200
    signed_in(visitor, "zoe@apart.test", GOOD)
    form = visitor.hidden("/console")
    answer = visitor.http.post(f"/console/organizations/{ids[0]}/invitations", data={**form, "email": "x@y.test"})
    assert answer.status_code == 404
    assert admin.query("SELECT id FROM invitations WHERE email = 'x@y.test'") == []

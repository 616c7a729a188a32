"""/console/organizations: who owns tenants, their plans and people: accounts, and invitations for those without one."""

from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from admin.access.accounts import Account, AccountRole, NoSuchAccount
from admin.commands.directory import ACCOUNTS, ORGANIZATIONS
from admin.commands.organizations import accounts
from admin.commands.refusals import Refused, refusal_of
from admin.console.cookies import PREFIX
from admin.console.forms import EMPTY, Form, submitted
from admin.console.visit import Routes, Visit
from admin.fields import Body, Email, Name
from tenancy.directory.change_request import tag_of
from tenancy.directory.organizations import MAX_TENANTS, NewOrganization, Organization, Plan

MANY = 100
PLANS = [(plan, f"{plan.capitalize()}: {most or 'any number of'} tenants") for plan, most in MAX_TENANTS.items()]
ROLES = [
    (AccountRole.OWNER, "Owner: people too"),
    (AccountRole.MEMBER, "Member: tenants and keys"),
    (AccountRole.VIEWER, "Viewer: reads"),
]
NEW = Form({"plan": Plan.FREE})
NEW_INVITATION = Form({"role": AccountRole.MEMBER})

routes = Routes()


class OrganizationForm(Body):
    """An organization as it shall be."""

    name: Name
    plan: Plan = Plan.FREE


class InvitationForm(Body):
    """Who is to have an account, and as what."""

    email: Email
    role: AccountRole = AccountRole.MEMBER


class AccountForm(Body):
    """What somebody may do, and whether they may sign in."""

    role: AccountRole
    disabled: bool = False


@routes.get(f"{PREFIX}/organizations")
async def organizations(visit: Visit) -> Response:
    """For a person of an organization: only that one."""
    own = visit.principal.organization if visit.principal else None
    return RedirectResponse(at(own), 303) if own else await _list(visit, NEW, 200)


@routes.post(f"{PREFIX}/organizations")
async def create_organization(visit: Visit) -> Response:
    async def make(form: OrganizationForm) -> Response:
        done = await ORGANIZATIONS.create(visit.on_terms(), NewOrganization(form.name, form.plan))
        return visit.to(at(done.value.id), "organization-saved", done)

    return await submitted(visit, OrganizationForm, lambda form, status: _list(visit, form, status), make)


@routes.get(f"{PREFIX}/organizations/{{id}}")
async def organization(visit: Visit) -> Response:
    return await _page(visit, 200)


@routes.post(f"{PREFIX}/organizations/{{id}}")
async def save_organization(visit: Visit) -> Response:
    async def make(form: OrganizationForm) -> Response:
        done = await ORGANIZATIONS.update(visit.on_terms(), visit.path("id"), {"name": form.name, "plan": form.plan})
        return visit.to(at(done.value.id), "organization-saved", done)

    return await submitted(visit, OrganizationForm, lambda form, status: _page(visit, status, form), make)


@routes.post(f"{PREFIX}/organizations/{{id}}/delete")
async def delete_organization(visit: Visit) -> Response:
    done = await ORGANIZATIONS.delete(visit.on_terms(), visit.path("id"))
    return visit.to(f"{PREFIX}/organizations", "organization-deleted", done)


@routes.post(f"{PREFIX}/organizations/{{id}}/invitations")
async def invite(visit: Visit) -> Response:
    found = await ORGANIZATIONS.get(visit.session, visit.path("id"))

    async def make(form: InvitationForm) -> Response:
        made, token = (await accounts.invite(visit.on_terms(), found.id, form.email, form.role)).value
        shown: dict[str, Any] = {"invitation": made, "token": token, "back": at(found.id)}
        return visit.page("people/invitation.html", title="The invitation", section="organizations", **shown)

    async def again(form: Form, status: int) -> Response:
        return await _page(visit, status, invited=form)

    return await submitted(visit, InvitationForm, again, make)


@routes.post(f"{PREFIX}/organizations/{{id}}/invitations/{{invitation}}/withdraw")
async def withdraw(visit: Visit) -> Response:
    found = await ORGANIZATIONS.get(visit.session, visit.path("id"))
    done = await accounts.withdraw(visit.on_terms(), visit.path("invitation"))
    return visit.to(at(found.id), "invitation-withdrawn", done)


@routes.get(f"{PREFIX}/organizations/{{id}}/accounts/{{account}}")
async def account(visit: Visit) -> Response:
    found = await _account_of(visit)
    return _account(visit, Form({"role": found.role, "disabled": str(found.disabled).lower()}), 200, found)


@routes.post(f"{PREFIX}/organizations/{{id}}/accounts/{{account}}")
async def save_account(visit: Visit) -> Response:
    found = await _account_of(visit)

    async def make(form: AccountForm) -> Response:
        done = await accounts.update(visit.on_terms(), found.id, form.model_dump())
        return visit.to(at(found.organization), "account-saved", done)

    async def again(form: Form, status: int) -> Response:
        return _account(visit, form, status, found)

    return await submitted(visit, AccountForm, again, make)


@routes.post(f"{PREFIX}/organizations/{{id}}/accounts/{{account}}/delete")
async def delete_account(visit: Visit) -> Response:
    found = await _account_of(visit)
    done = await ACCOUNTS.delete(visit.on_terms(), found.id)
    return visit.to(at(found.organization), "account-deleted", done)


def at(organization_id: str) -> str:
    """The address of an organization."""
    return f"{PREFIX}/organizations/{quote(organization_id)}"


async def _account_of(visit: Visit) -> Account:
    """The account, if it belongs to the organization in the path."""
    found = await ACCOUNTS.get(visit.session, visit.path("account"))
    if found.organization != visit.path("id"):
        raise Refused(refusal_of(NoSuchAccount(found.id)))
    return found


async def _list(visit: Visit, form: Form, status: int) -> Response:
    after = visit.query("after")
    found = await ORGANIZATIONS.page(visit.session, MANY + 1, after if after.isprintable() else "")
    more = f"{PREFIX}/organizations?after={quote(found[MANY - 1].name, safe='')}" if len(found) > MANY else ""
    shown: dict[str, Any] = {"organizations": found[:MANY], "more": more, "form": form, "plans": PLANS}
    return visit.page("people/list.html", status, title="Organizations", section="organizations", **shown)


async def _page(visit: Visit, status: int, form: Form = EMPTY, invited: Form = NEW_INVITATION) -> Response:
    found = await ORGANIZATIONS.get(visit.session, visit.path("id"))
    filled = form if form is not EMPTY else Form({"name": found.name, "plan": found.plan})
    shown: dict[str, Any] = {"organization": found, "form": filled, "invited": invited, "plans": PLANS, "roles": ROLES}
    shown |= {"seen": visit.field("_seen") or tag_of(found), **await _people(visit, found)}
    return visit.page("people/organization.html", status, title=found.name, section="organizations", **shown)


async def _people(visit: Visit, of: Organization) -> dict[str, Any]:
    if not visit.may("read", "account"):
        return {"accounts": None, "invitations": (), "more": ""}
    after = visit.query("after")
    found = await ACCOUNTS.page(visit.session, MANY + 1, after if after.isprintable() else "", of.id)
    more = f"{at(of.id)}?after={quote(found[MANY - 1].email, safe='')}" if len(found) > MANY else ""
    invitations = await accounts.invitations(visit.session, of.id, MANY)
    return {"accounts": found[:MANY], "invitations": invitations, "more": more}


def _account(visit: Visit, form: Form, status: int, of: Account) -> Response:
    shown: dict[str, Any] = {"account": of, "form": form, "roles": ROLES, "back": at(of.organization)}
    shown |= {"seen": visit.field("_seen") or tag_of(of)}
    return visit.page("people/account.html", status, title=of.email, section="organizations", **shown)

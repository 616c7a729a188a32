"""/console/policies: named sets of limits that tenants refer to.  Their limits are changed one at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from admin.commands import policies
from admin.commands.directory import POLICIES
from admin.commands.policies import PolicyLimitRequest, limits_of
from admin.commands.refusals import Reason, Refusal, Refused
from admin.console.cookies import PREFIX
from admin.console.forms import EMPTY, Form, submitted
from admin.console.pages.limits import NEW, AmountForm, RuleForm, choices
from admin.console.visit import Routes, Visit
from admin.fields import Body, GroupName, ModelName, Name, Text
from tenancy.directory.change_request import tag_of
from tenancy.directory.named_policies import NamedPolicy
from tenancy.values.limit import Limit, Scope

MANY = 200
NO_LIMIT = Refusal(Reason.NOT_FOUND, "the policy has no such limit, or not any more")

routes = Routes()


class PolicyForm(Body):
    """A policy to be made, without limits yet."""

    name: GroupName
    description: Text = ""


class DescriptionForm(Body):
    """What a policy is for."""

    description: Text = ""


class PolicyLimitForm(RuleForm):
    """A limit of a policy, to be made."""

    name: Name
    scope: Scope = Scope.TENANT
    model: ModelName | None = None


@routes.get(f"{PREFIX}/policies")
async def list_policies(visit: Visit) -> Response:
    return await _list(visit, EMPTY, 200)


@routes.post(f"{PREFIX}/policies")
async def create_policy(visit: Visit) -> Response:
    async def make(form: PolicyForm) -> Response:
        done = await policies.create(visit.on_terms(), form.name, form.description, ())
        return visit.to(at(done.value.name), "policy-created", done)

    return await submitted(visit, PolicyForm, lambda form, status: _list(visit, form, status), make)


@routes.get(f"{PREFIX}/policies/{{name}}")
async def policy(visit: Visit) -> Response:
    found = await POLICIES.get(visit.session, visit.path("name"))
    return _policy(visit, Form({"description": found.description}), 200, found)


@routes.post(f"{PREFIX}/policies/{{name}}")
async def save_policy(visit: Visit) -> Response:
    found = await POLICIES.get(visit.session, visit.path("name"))

    async def make(form: DescriptionForm) -> Response:
        return await _replaced(visit, replace(found, description=form.description), limits_of(found))

    async def again(form: Form, status: int) -> Response:
        return _policy(visit, form, status, found)

    return await submitted(visit, DescriptionForm, again, make)


@routes.post(f"{PREFIX}/policies/{{name}}/delete")
async def delete_policy(visit: Visit) -> Response:
    done = await POLICIES.delete(visit.on_terms(), visit.path("name"))
    return visit.to(f"{PREFIX}/policies", "policy-deleted", done)


@routes.get(f"{PREFIX}/policies/{{name}}/limits", changes="policy")
async def new_policy_limit(visit: Visit) -> Response:
    return await _limit_form(visit, NEW, 200)


@routes.post(f"{PREFIX}/policies/{{name}}/limits")
async def create_policy_limit(visit: Visit) -> Response:
    found = await POLICIES.get(visit.session, visit.path("name"))

    async def make(form: PolicyLimitForm) -> Response:
        return await _replaced(visit, found, [*limits_of(found), PolicyLimitRequest(**form.rule())])

    return await submitted(visit, PolicyLimitForm, lambda form, status: _limit_form(visit, form, status), make)


@routes.get(f"{PREFIX}/policies/{{name}}/limits/{{number}}")
async def policy_limit(visit: Visit) -> Response:
    found = await POLICIES.get(visit.session, visit.path("name"))
    limit = limits_of(found)[_number(visit, found)]
    return _limit(visit, Form({"amount": f"{limit.amount:f}", "shadow": str(limit.shadow).lower()}), 200, found)


@routes.post(f"{PREFIX}/policies/{{name}}/limits/{{number}}")
async def save_policy_limit(visit: Visit) -> Response:
    found = await POLICIES.get(visit.session, visit.path("name"))
    number = _number(visit, found)

    async def make(form: AmountForm) -> Response:
        limits = limits_of(found)
        limits[number] = replace(limits[number], **form.model_dump())
        return await _replaced(visit, found, limits)

    async def again(form: Form, status: int) -> Response:
        return _limit(visit, form, status, found)

    return await submitted(visit, AmountForm, again, make)


@routes.post(f"{PREFIX}/policies/{{name}}/limits/{{number}}/delete")
async def delete_policy_limit(visit: Visit) -> Response:
    found = await POLICIES.get(visit.session, visit.path("name"))
    limits = limits_of(found)
    del limits[_number(visit, found)]
    return await _replaced(visit, found, limits)


def at(name: str) -> str:
    """The address of a policy."""
    return f"{PREFIX}/policies/{quote(name)}"


async def _replaced(visit: Visit, of: NamedPolicy, limits: Sequence[PolicyLimitRequest]) -> Response:
    """Only if the policy is unchanged since it was shown: a limit is identified by its number."""
    done = await policies.update(visit.on_terms().seen(visit.field("_seen")), of.name, of.description, limits)
    return visit.to(at(of.name), "limit-free" if done.notice else "policy-saved", done)


def _number(visit: Visit, of: NamedPolicy) -> int:
    text = visit.path("number")
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and int(text) < len(of.limits)):
        raise Refused(NO_LIMIT)
    return int(text)


async def _list(visit: Visit, form: Form, status: int) -> Response:
    after = visit.query("after")
    found = await POLICIES.page(visit.session, MANY + 1, after if after.isprintable() else "")
    more = f"{PREFIX}/policies?after={quote(found[MANY - 1].name)}" if len(found) > MANY else ""
    shown = {"policies": [(each, _limits(each)) for each in found[:MANY]], "form": form, "more": more}
    return visit.page("policies/list.html", status, title="Policies", section="policies", **shown)


def _policy(visit: Visit, form: Form, status: int, of: NamedPolicy) -> Response:
    shown = {"policy": of, "limits": _limits(of), "form": form, "seen": visit.field("_seen") or tag_of(of)}
    return visit.page("policies/policy.html", status, title=of.name, section="policies", **shown)


def _limit(visit: Visit, form: Form, status: int, of: NamedPolicy) -> Response:
    number = _number(visit, of)
    shown: dict[str, Any] = {"limit": _limits(of)[number], "form": form, "seen": visit.field("_seen") or tag_of(of)}
    shown |= {"here": f"{at(of.name)}/limits/{number}", "back": at(of.name), "may": visit.may("change", "policy")}
    return visit.page("limits/limit.html", status, title=of.name, section="policies", **shown)


async def _limit_form(visit: Visit, form: Form, status: int) -> Response:
    found = await POLICIES.get(visit.session, visit.path("name"))
    shown = {"trail": [(f"{PREFIX}/policies", "Policies"), (at(found.name), found.name)], "form": form, **choices()}
    shown |= {"seen": visit.field("_seen") or tag_of(found), "required": True}
    return visit.page("limits/form.html", status, title="New limit", section="policies", **shown)


def _limits(of: NamedPolicy) -> list[Limit]:
    return [Limit.of_fields(each) for each in of.limits]

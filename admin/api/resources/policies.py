"""/policies: named sets of limits.  A tenant refers to one by its field `policy`."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BeforeValidator, Field

from admin.api.call import Changing, Creating
from admin.api.resources.routes import Routes
from admin.api.resources.rules import RuleBody, RuleView
from admin.commands import policies
from admin.commands.directory import POLICIES
from admin.commands.policies import PolicyLimitRequest
from admin.fields import Body, GroupName, ModelName, Name, Text, Time, View
from tenancy.directory.named_policies import NamedPolicy
from tenancy.values.limit import Limit, Scope

router = APIRouter(prefix="/policies", tags=["policies"])

MAX_LIMITS = 50

PolicyName = Annotated[str, Path(alias="name", description="The policy's name")]


class HeldBody(Body):
    """What a limit of a policy applies to."""

    name: Name = Field(description="Name of the limit in refusals; unique within the policy", examples=["tokens-a-day"])
    scope: Scope = Scope.TENANT
    model: ModelName | None = Field(None, description="Required with scope `model`, and only then")


class PolicyLimit(RuleBody, HeldBody):
    """One limit of a policy.  Each tenant that refers to the policy has a budget of its own for it; with scope `key` or
    `user` each of its keys or users has."""


class PolicyBody(Body):
    """The new description and limits of a policy."""

    description: Text = ""
    limits: Annotated[list[PolicyLimit], Field(max_length=MAX_LIMITS)] = Field(
        [], description="Limits that all apply; the strictest one binds"
    )

    def asked(self) -> list[PolicyLimitRequest]:
        return [PolicyLimitRequest(**limit.model_dump()) for limit in self.limits]


class NewPolicy(PolicyBody):
    """The fields of a new policy."""

    name: GroupName = Field(examples=["gold"])


class HeldView(View):
    """What a limit of a policy applies to."""

    name: str
    scope: Scope
    model: Annotated[str | None, BeforeValidator(lambda subject: subject or None)] = Field(validation_alias="subject")


class PolicyLimitView(RuleView, HeldView):
    """One limit of a policy."""


def _limit(stored: Mapping[str, Any]) -> Limit:
    return Limit.of_fields(stored)


class PolicyView(View):
    """A named policy."""

    name: str
    description: str
    limits: list[Annotated[PolicyLimitView, BeforeValidator(_limit)]]
    created_at: Time
    updated_at: Time


routes = Routes(router, POLICIES, "policy", PolicyView, key="name")
routes.list("policies", "A page of policies, by name.", "Lists policies by name.")
routes.show("Shows a policy.")
routes.delete("Deletes a policy to which no tenant refers.")


@router.post("", status_code=201, response_model=PolicyView)
async def create_policy(body: NewPolicy, call: Creating) -> NamedPolicy:
    """Creates a policy; its name must be unique."""
    done = await policies.create(call.session, body.name, body.description, body.asked())
    return call.created(done, f"/policies/{done.value.name}")


@router.put("/{name}", response_model=PolicyView)
async def update_policy(name: PolicyName, body: PolicyBody, call: Changing) -> NamedPolicy:
    """Replaces a policy's description and limits; within a second they hold for every tenant that refers to it.

    A limit that keeps its name keeps what is spent of it."""
    return call.changed(await policies.update(call.session, name, body.description, body.asked()))

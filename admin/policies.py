"""/policies: named sets of limits.  A tenant refers to one by its field `policy`."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, Field, model_validator

from admin.fields import Body, Flag, GroupName, ModelName, Name, Text, Time, View
from admin.limits import Amount, ShownAmount, TimeZone, TokenWeight, WindowSeconds, shown_amount, units
from admin.paging import Page, cut
from admin.services import Use
from admin.terms import DELETES, By, ByCreating, ByDeleting, tagged
from tenancy.directory.audit import Snapshot
from tenancy.directory.named_policies import POLICY_NAME, LimitFields, NamedPolicy, NoSuchPolicy
from tenancy.directory.stored_limits import wrong_with
from tenancy.values.calendar import Calendar
from tenancy.values.limit import UTC, Kind, Limit, Scope, Unit

router = APIRouter(prefix="/policies", tags=["policies"])

MAX_LIMITS = 50


def _check_name(text: str) -> str:
    if not POLICY_NAME.fullmatch(text):
        raise NoSuchPolicy(text)
    return text


PolicyName = Annotated[str, Path(alias="name", description="The policy's name"), AfterValidator(_check_name)]


class PolicyLimit(Body):
    """One limit of a policy.  Each tenant that refers to the policy has a budget of its own for it; with scope `key` or
    `user` each of its keys or users has."""

    name: Name = Field(description="What refusals call it; unique within the policy", examples=["tokens-a-day"])
    scope: Scope = Scope.TENANT
    model: ModelName | None = Field(None, description="Required with scope `model`, and only then")
    unit: Unit
    amount: Amount
    kind: Kind | None = Field(None, description="`fixed_window` if a calendar is given, else `bucket`")
    window_seconds: WindowSeconds | None = None
    calendar: Calendar | None = None
    time_zone: TimeZone = UTC
    cached_weight: TokenWeight = 1.0
    reasoning_weight: TokenWeight = 1.0
    shadow: Flag = False

    @model_validator(mode="after")
    def _goes_together(self) -> "PolicyLimit":
        if self.scope is Scope.GROUP:
            raise ValueError("scope: a policy has no limits of groups")
        if (self.model is not None) != (self.scope is Scope.MODEL):
            raise ValueError("model: required with scope model, and only then")
        if self.calendar is not None and self.window_seconds is not None:
            raise ValueError("window_seconds: not with a calendar")
        if wrong := wrong_with(self.fields()):
            raise ValueError(wrong)
        return self

    def fields(self) -> dict[str, Any]:
        """As it is kept, but for the amount: what tenancy.values.limit.Limit.of_fields reads."""
        return {
            "name": self.name,
            "scope": self.scope.value,
            "subject": self.model or "",
            "unit": self.unit.value,
            "kind": (self.kind or (Kind.FIXED if self.calendar else Kind.BUCKET)).value,
            "window_seconds": self.calendar.seconds if self.calendar else self.window_seconds,
            "calendar": self.calendar.value if self.calendar else None,
            "time_zone": self.time_zone,
            "cached_weight": round(self.cached_weight * 100),
            "reasoning_weight": round(self.reasoning_weight * 100),
            "shadow": self.shadow,
        }


def _no_name_twice(limits: list[PolicyLimit]) -> list[PolicyLimit]:
    names = [limit.name for limit in limits]
    if len(set(names)) < len(names):
        raise ValueError("two limits have the same name")
    return limits


PolicyLimits = Annotated[list[PolicyLimit], Field(max_length=MAX_LIMITS), AfterValidator(_no_name_twice)]


class PolicyBody(Body):
    """A policy as it shall be."""

    description: Text = ""
    limits: PolicyLimits = Field([], description="All of them hold; the strictest binds")


class NewPolicy(PolicyBody):
    """A policy to be made."""

    name: GroupName = Field(examples=["gold"])


class PolicyLimitView(View):
    """One limit of a policy."""

    name: str
    scope: Scope
    model: str | None
    unit: Unit
    amount: ShownAmount
    kind: Kind
    window_seconds: int
    calendar: Calendar | None
    time_zone: str
    cached_weight: float
    reasoning_weight: float
    shadow: bool


class PolicyView(View):
    """A named policy."""

    name: str
    description: str
    limits: list[PolicyLimitView]
    created_at: Time
    updated_at: Time


class PolicyPage(View):
    """A page of policies, by name."""

    policies: list[PolicyView]
    next_cursor: str | None


@router.post("", status_code=201, response_model=PolicyView)
async def create_policy(body: NewPolicy, use: Use, by: ByCreating, response: Response) -> dict[str, object]:
    """Creates a policy; its name must be unique."""
    policy = await use.policies.create(body.name, body.description, _kept(body), by)
    response.headers["location"] = f"/api/v1/policies/{policy.name}"
    return _shown(tagged(response, policy))


@router.get("", response_model=PolicyPage)
async def list_policies(page: Annotated[Page, Query()], use: Use) -> dict[str, object]:
    """Lists policies by name."""
    found = await use.policies.page(page.limit + 1, page.after_name())
    policies, next_cursor = cut(found, page.limit, lambda policy: (policy.name,))
    return {"policies": [_shown(policy) for policy in policies], "next_cursor": next_cursor}


@router.get("/{name}", response_model=PolicyView)
async def get_policy(name: PolicyName, use: Use, response: Response) -> dict[str, object]:
    """Shows a policy."""
    policy = await use.policies.get(name)
    if policy is None:
        raise NoSuchPolicy(name)
    return _shown(tagged(response, policy))


@router.put("/{name}", response_model=PolicyView)
async def update_policy(name: PolicyName, body: PolicyBody, use: Use, by: By, response: Response) -> dict[str, object]:
    """Replaces a policy's description and limits; within a second they hold for every tenant that refers to it.

    A limit that keeps its name keeps what is spent of it."""
    policy = await use.policies.update(name, body.description, _kept(body), by)
    await use.propagate(response)
    return _shown(tagged(response, policy))


@router.delete("/{name}", status_code=204, response_model=None, responses=DELETES)
async def delete_policy(name: PolicyName, use: Use, by: ByDeleting) -> Response:
    """Deletes a policy to which no tenant refers."""
    return await use.deleted(await use.policies.delete(name, by), by)


def shown_again(kept: Snapshot) -> Mapping[str, Any]:
    """A policy as the audit log has it, as PolicyView takes it."""
    return {**kept, "limits": [_limit(fields) for fields in kept["limits"]]}


def _kept(body: PolicyBody) -> tuple[LimitFields, ...]:
    return tuple({**limit.fields(), "amount": units(limit.unit, limit.amount)} for limit in body.limits)


def _shown(policy: NamedPolicy) -> dict[str, object]:
    fields = {name: getattr(policy, name) for name in PolicyView.model_fields}
    return {**fields, "limits": [_limit(each) for each in policy.limits]}


def _limit(fields: LimitFields) -> dict[str, object]:
    limit = Limit.of_fields(fields)
    return {
        **{name: getattr(limit, name) for name in PolicyLimitView.model_fields if name != "model"},
        "model": limit.subject or None,
        "amount": shown_amount(limit.unit, limit.amount),
        "cached_weight": limit.cached_weight / 100,
        "reasoning_weight": limit.reasoning_weight / 100,
    }

"""/limits: what may be used in which window, by whom.  Live state is in budgets.py."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator, with_config
from typing_extensions import TypedDict

from admin.examples import BY_NAME
from admin.fields import MAX_REQUESTS, MAX_TOKENS, Body, Flag, GroupName, ModelName, Name, Time, UserId, View
from admin.paging import NamedPage, Page, cut
from admin.problems import Problem, Refused
from admin.services import Services, Use
from admin.tenants import TenantId
from admin.terms import DELETES, By, ByCreating, ByDeleting, tagged
from tenancy.directory.audit import Snapshot
from tenancy.directory.stored_limits import LimitChange, NewLimit, NoSuchLimit, StoredLimit
from tenancy.directory.tenants import TENANT_ID, NoSuchTenant
from tenancy.values.calendar import Calendar
from tenancy.values.limit import UTC, Kind, Scope, Unit
from tenancy.values.prices import MICRO

router = APIRouter(tags=["limits"])

LIMIT_ID = re.compile(r"lim_[0-9a-f]{16}")
MAX_COST = 10**9  # of the currency; in millionths still below 2^53
MAX_SECONDS = 366 * 86_400


EXAMPLE = {"scope": "tenant", "tenant_id": BY_NAME["tenant_id"], "unit": "tokens", "amount": 500_000, "calendar": "day"}


def no_flag(value: object) -> object:
    """For decimals: true is not 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _check_limit_id(text: str) -> str:
    if not LIMIT_ID.fullmatch(text):
        raise NoSuchLimit(text)
    return text


def _percent(weight: float) -> int:
    return round(weight * 100)


LimitId = Annotated[str, Path(alias="id", description="The limit's id"), AfterValidator(_check_limit_id)]
Amount = Annotated[
    Decimal,
    BeforeValidator(no_flag),
    Field(gt=0, le=MAX_TOKENS, max_digits=19, decimal_places=6),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TOKENS},
                {"type": "string", "pattern": r"^\d{1,13}(\.\d{1,6})?$"},
            ],
            "description": "A whole number; of `cost` an amount in the currency of the models' prices, such as `12.50`",
            "examples": [500_000],
        }
    ),
]
ShownAmount = Annotated[
    int | str, Field(description="A whole number; of `cost` a decimal in the currency of the models' prices")
]
AnyId = Annotated[str, Field(pattern=f"^{TENANT_ID.pattern}$")]
WindowSeconds = Annotated[int, Field(strict=True, ge=1, le=MAX_SECONDS, examples=[60])]
TimeZone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$", examples=["Europe/Paris"])]
TokenWeight = Annotated[
    float,
    BeforeValidator(no_flag),
    Field(ge=0, le=10, description="How much such a token counts: 0.1 counts ten as one.  Two decimals"),
]


class LimitBody(Body, json_schema_extra={"examples": [EXAMPLE]}):
    """A limit to be made.  It counts a tenant's requests, or those of one of its keys, users or models; or, with scope
    `group`, those of all tenants of a fairshare group together.  Scope `key` or `user` without an id: each of them."""

    name: Name | None = Field(None, description="What refusals call it; unique within its tenant or group")
    scope: Scope
    tenant_id: AnyId | None = None
    key_id: AnyId | None = None
    user_id: UserId | None = None
    model: ModelName | None = None
    fairshare_group: GroupName | None = None
    unit: Unit
    amount: Amount
    kind: Kind | None = Field(None, description="`fixed_window` if a calendar is given, else `bucket`")
    window_seconds: WindowSeconds | None = None
    calendar: Calendar | None = None
    time_zone: TimeZone = UTC
    cached_weight: TokenWeight = 1.0
    reasoning_weight: TokenWeight = 1.0
    shadow: Flag = Field(False, description="Only measured: what it would have refused is counted")

    @model_validator(mode="after")
    def _goes_together(self) -> "LimitBody":
        for name, scopes in SUBJECTS.items():
            given, required = getattr(self, name) is not None, name in REQUIRED[self.scope]
            if given and self.scope not in scopes:
                raise ValueError(f"{name}: not with scope {self.scope}")
            if required and not given:
                raise ValueError(f"{name}: required with scope {self.scope}")
        if self.calendar is not None and self.window_seconds is not None:
            raise ValueError("window_seconds: not with a calendar")
        return self


SUBJECTS = {
    "tenant_id": (Scope.TENANT, Scope.USER, Scope.KEY, Scope.MODEL),
    "key_id": (Scope.KEY,),
    "user_id": (Scope.USER,),
    "model": (Scope.MODEL,),
    "fairshare_group": (Scope.GROUP,),
}
REQUIRED: dict[Scope, tuple[str, ...]] = {
    Scope.TENANT: ("tenant_id",),
    Scope.USER: ("tenant_id",),
    Scope.KEY: ("tenant_id",),
    Scope.MODEL: ("tenant_id", "model"),
    Scope.GROUP: ("fairshare_group",),
}


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{"amount": 1_000_000}]}))
class LimitPatch(TypedDict, total=False):
    """The fields to change.  What is absent stays; what is spent stays spent."""

    name: Name
    amount: Amount
    kind: Kind
    window_seconds: WindowSeconds
    calendar: Calendar
    time_zone: TimeZone
    cached_weight: TokenWeight
    reasoning_weight: TokenWeight
    shadow: Flag


class LimitView(View):
    """A limit.  Of `tenant_id` and `fairshare_group` one is null."""

    id: str
    name: str
    scope: Scope
    tenant_id: str | None
    key_id: str | None
    user_id: str | None
    model: str | None
    fairshare_group: str | None
    unit: Unit
    amount: ShownAmount
    kind: Kind
    window_seconds: int
    calendar: Calendar | None
    time_zone: str
    cached_weight: float
    reasoning_weight: float
    shadow: bool
    created_at: Time
    updated_at: Time


class LimitPage(View):
    """A page of limits, oldest first."""

    limits: list[LimitView]
    next_cursor: str | None


class LimitQuery(NamedPage):
    """A page of limits, of one tenant or group if it is given."""

    tenant_id: AnyId | None = None
    fairshare_group: GroupName | None = None


@router.post("/limits", status_code=201, response_model=LimitView)
async def create_limit(body: LimitBody, use: Use, by: ByCreating, response: Response) -> dict[str, object]:
    """Creates a limit; it holds for every sidecar within a second."""
    if body.scope is Scope.GROUP and not use.control.spans_owners:
        raise _wrong("scope", "the tenants of a group cannot share a budget on a Redis Cluster")
    fields = body.model_dump(exclude={"amount", "kind", "cached_weight", "reasoning_weight", "name", "window_seconds"})
    new = NewLimit(
        **fields,
        name=body.name or "",
        amount=units(body.unit, body.amount),
        kind=body.kind or (Kind.BUCKET if body.calendar is None else Kind.FIXED),
        window_seconds=body.window_seconds or 0,
        cached_weight=_percent(body.cached_weight),
        reasoning_weight=_percent(body.reasoning_weight),
    )
    limit = await use.limits.create(new, by)
    await use.propagate(response)
    response.headers["location"] = f"/api/v1/limits/{limit.id}"
    return shown(tagged(response, limit))


@router.get("/limits", response_model=LimitPage)
async def list_limits(page: Annotated[LimitQuery, Query()], use: Use) -> dict[str, object]:
    """Lists limits, oldest first."""
    return await _page(use, page, page.tenant_id, page.fairshare_group, page.name or "")


@router.get("/tenants/{id}/limits", response_model=LimitPage)
async def list_tenant_limits(tenant_id: TenantId, page: Annotated[Page, Query()], use: Use) -> dict[str, object]:
    """Lists a tenant's limits, oldest first; those that are fields of the tenant, its users or keys are shown there."""
    if await use.tenants.get(tenant_id) is None:
        raise NoSuchTenant(tenant_id)
    return await _page(use, page, tenant_id, None)


@router.get("/limits/{id}", response_model=LimitView)
async def get_limit(limit_id: LimitId, use: Use, response: Response) -> dict[str, object]:
    """Shows a limit."""
    return shown(tagged(response, await _existing(use, limit_id)))


@router.patch("/limits/{id}", response_model=LimitView)
async def update_limit(limit_id: LimitId, body: LimitPatch, use: Use, by: By, response: Response) -> dict[str, object]:
    """Changes the fields given; it holds for every sidecar within a second."""
    change = cast(dict[str, Any], {**body})
    if "amount" in body:
        change["amount"] = units((await _existing(use, limit_id)).unit, body["amount"])
    for name in ("cached_weight", "reasoning_weight"):
        if name in change:
            change[name] = _percent(change[name])
    limit = await use.limits.update(limit_id, cast(LimitChange, change), by)
    await use.propagate(response)
    return shown(tagged(response, limit))


@router.delete("/limits/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_limit(limit_id: LimitId, use: Use, by: ByDeleting) -> Response:
    """Deletes a limit; what was spent of it is forgotten."""
    await use.limits.delete(limit_id, by)
    return await use.deleted({"limits": 1}, by)


def shown(limit: StoredLimit) -> dict[str, object]:
    """As a LimitView takes it."""
    fields = {name: getattr(limit, name) for name in LimitView.model_fields}
    weights = {"cached_weight": limit.cached_weight / 100, "reasoning_weight": limit.reasoning_weight / 100}
    return {**fields, **weights, "amount": shown_amount(limit.unit, limit.amount)}


def shown_again(kept: Snapshot) -> Mapping[str, Any]:
    """A limit as the audit log has it, as LimitView takes it."""
    weights = {name: kept[name] / 100 for name in ("cached_weight", "reasoning_weight")}
    return {**kept, **weights, "amount": shown_amount(Unit(kept["unit"]), kept["amount"])}


def shown_amount(unit: Unit, amount: int) -> int | str:
    """As it is written in a request."""
    if unit is not Unit.COST:
        return amount
    return f"{(Decimal(amount) / MICRO).normalize():f}"


def units(unit: Unit, amount: Decimal) -> int:
    """As budgets count it; a problem unless it is possible.  May be below zero."""
    if unit is Unit.COST:
        if abs(amount) > MAX_COST:
            raise _wrong("amount", f"at most {MAX_COST}")
        return int(amount * MICRO)
    if amount != amount.to_integral_value():
        raise _wrong("amount", f"a whole number of {unit.replace('_', ' ')}")
    if unit is Unit.REQUESTS and abs(amount) > MAX_REQUESTS:
        raise _wrong("amount", f"at most {MAX_REQUESTS}")
    return int(amount)


def _wrong(field: str, detail: str) -> Refused:
    return Refused(Problem(422, f"{field}: {detail}", ((field, detail),)))


async def _existing(use: Services, limit_id: str) -> StoredLimit:
    limit = await use.limits.get(limit_id)
    if limit is None:
        raise NoSuchLimit(limit_id)
    return limit


async def _page(
    use: Services, page: Page, tenant_id: str | None, group: str | None, name: str = ""
) -> dict[str, object]:
    found = await use.limits.page(page.limit + 1, page.after_time(), tenant_id, group, name)
    limits, next_cursor = cut(found, page.limit, lambda limit: (limit.created_at, limit.id))
    return {"limits": [shown(limit) for limit in limits], "next_cursor": next_cursor}

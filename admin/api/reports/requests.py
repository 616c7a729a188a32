"""/requests: one request explained: what was decided, what it used, and its bill recomputed; or why it was refused."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from admin.api.call import Reading
from admin.api.reports.figures import Money
from admin.commands.queries.denied import REFUSALS, denial_reason
from admin.commands.queries.explain import SOURCES, Explained, Explanation, advice_of, decision_of, explain, tier_of
from admin.fields import Text, Time, View, money
from ledger.bill import Item
from ledger.cost import UNIT_DECIMALS
from ledger.denials import Denial
from ledger.row import load_parts
from tenancy.values.admission import Admission

router = APIRouter(prefix="/requests", tags=["usage"])


class ItemView(View):
    """One item of the bill: `quantity` units of a kind, at `price` for each `per` units.  `cost` is exact."""

    kind: str = Field(examples=["cache_write_5m"])
    quantity: int = Field(examples=[1200])
    price: Money
    per: int = Field(examples=[1_000_000])
    cost: Money


class RequestView(View):
    """A row of the ledger, and how it came about.  If a limit refused the request, `limit` names it."""

    lease_id: str
    request_id: str = Field(description="The `x-request-id` that the request carried")
    at: Time
    tenant_id: str
    key_id: str
    user_id: str
    end_user_id: str
    model: str
    method: str
    path: str
    status: int
    decision: str = Field(description="The decision in words", examples=["admitted, 130 tokens reserved"])
    advice: str = Field(description="What to do about a refusal, or who caused another error", examples=[""])
    admission: str = Field(examples=["fast"])
    limit: str = Field(examples=[""])
    reserved_tokens: int
    streamed: bool
    aborted: bool = Field(description="The client left, or the answer was cut")
    total_ms: int
    ttft_ms: int | None
    queue_ms: int = Field(description="How long the request waited for capacity, in milliseconds")
    usage_source: str = Field(examples=["reported"])
    usage: str = Field(description="Where the token counts come from, in words")
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cache_hit: bool = Field(description="Whether the request was answered from the response cache")
    saved_input_tokens: int = Field(description="Input tokens of such a request, which were not charged")
    saved_output_tokens: int
    saved_cost: Money
    parts: dict[str, int] = Field(description="Further parts of these, by kind", examples=[{"cache_write_5m": 1200}])
    service_tier: str = Field(description="Service tier, as the model server named it")
    requests: int = Field(
        description="Number of requests in this row: beyond a certain rate, refusals share one", examples=[1]
    )
    price_version: int | None = Field(
        description="Null: the model had no prices, or the row is older than their history"
    )
    prices_since: Time | None
    price_tier: str | None = Field(
        description="Tier whose prices were used; null: the model's own prices", examples=["batch"]
    )
    items: list[ItemView]
    input_cost: Money
    cached_cost: Money
    output_cost: Money
    cost: Money
    recomputed: bool = Field(description="Whether the items add up to the costs of the row, to the last decimal")


class DenialView(View):
    """A request that was refused before its budgets were checked.  It used nothing, and is in no report."""

    request_id: str
    at: Time
    status: int
    decision: str = Field(description="The decision in words", examples=["refused with 401: no API key was sent"])
    advice: str = Field(
        description="What to do about the refusal", examples=["Send the key as `Authorization: Bearer <key>`."]
    )
    reason: str = Field(description="One word from authz, or Envoy's response code details", examples=["missing"])
    key_prefix: str = Field(description="Beginning of the key, if it looked like a key of Tollkeeper")
    key_id: str = Field(description="Empty if the key is not known")
    tenant_id: str
    tenant: str = Field(description="Name of the tenant", examples=["acme"])
    method: str
    path: str


class RequestsView(View):
    """The requests with this id, newest first.  Clients choose ids, so several requests may share one.  `denials` are
    requests that were refused before their budgets were checked; only the newest are kept, a few of each kind in ten
    seconds."""

    requests: list[RequestView]
    denials: list[DenialView]


@router.get("/{id}", response_model=RequestsView)
async def explain_request(
    id: Annotated[Text, Path(min_length=1, max_length=512, description="An `x-request-id`, or a lease id")],
    call: Reading,
) -> dict[str, object]:
    """Explains a finished request, found by its `x-request-id` or its lease id: admission, usage, prices and cost.  For
    a refused one it says why it was refused, which key it used, and what to do."""
    found = await explain(call.session, id)
    requests = [_shown(each) for each in found.requests]
    return {"requests": requests, "denials": [_denial(each, found) for each in found.denials]}


def _shown(of: Explained) -> dict[str, Any]:
    row = of.row.usage
    costs = {f"{name}_cost": Decimal(units).scaleb(-UNIT_DECIMALS) for name, units in of.row.cost._asdict().items()}
    return {
        **row._asdict(),
        "lease_id": row.id,
        "at": row.ts,
        "decision": decision_of(row),
        "advice": advice_of(row),
        "limit": "" if row.denied_by in REFUSALS else row.denied_by,
        "usage": SOURCES.get(row.usage_source, row.usage_source),
        "cache_hit": row.admission == Admission.CACHED,
        "saved_cost": money(Decimal(of.row.saved).scaleb(-UNIT_DECIMALS)),
        "parts": load_parts(row.parts),
        "price_version": of.row.price_version,
        "prices_since": None if of.prices is None else of.prices.since,
        "price_tier": tier_of(of),
        "items": [_item(each) for each in of.items],
        **{name: money(each) for name, each in costs.items()},
        "cost": money(sum(costs.values(), Decimal())),
        "recomputed": of.recomputed,
    }


def _denial(of: Denial, found: Explanation) -> dict[str, Any]:
    reason = denial_reason(of.reason)
    return {
        **of._asdict(),
        "at": of.ts,
        "decision": f"refused with {of.status}: {reason.why}",
        "advice": reason.advice,
        "tenant": found.names.get(of.tenant_id, ""),
    }


def _item(item: Item) -> dict[str, Any]:
    return {**item._asdict(), "price": money(item.price), "cost": money(item.cost)}

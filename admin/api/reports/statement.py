"""/tenants/{id}/statement: what a tenant used in a month, key by key and model by model, and what that cost, kind by
kind and price by price."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from admin.api.call import Reading
from admin.api.reports.figures import CostsView, Money, TokensView, figures
from admin.api.reports.report import ANSWERS
from admin.commands.queries.statement import Statement, statement
from admin.fields import Text, Time, View, money
from ledger.by_price import PriceLine

router = APIRouter(prefix="/tenants/{id}/statement", tags=["usage"])


class FiguresView(TokensView, CostsView):
    """Quantities by kind, and costs."""


class StatementLine(FiguresView):
    """The usage of one model with one key."""

    key_id: str
    key_name: str | None = Field(description="Null: the key was deleted")
    model: str = Field(examples=["mock-model"])


class StatementCharge(View):
    """The charge for one kind of usage of one model at one price."""

    model: str = Field(examples=["mock-model"])
    kind: str = Field(
        description="Name of the price without `_price`: `input`, `cached`, `cache_write_5m`, `output`,"
        " `reasoning`, `image`, `request`, …",
        examples=["input"],
    )
    quantity: int = Field(examples=[480000])
    price: Money | None = Field(
        description="Price of `per` units; null: not known, as the requests are older than the history of prices"
    )
    per: int = Field(examples=[1000000])
    price_version: int | None = Field(description="Version in the model's price history; null: the model had no prices")
    service_tier: str = Field(description="Tier whose prices were used; empty: the model's own prices")
    above_input_tokens: int = Field(
        description="The price is for requests with more input tokens than this; 0: for all", examples=[0]
    )
    cost: str = Field(
        description="Cost as the ledger has it, rounded for each request; the sum of all lines is the total",
        examples=["1.2"],
    )


class StatementView(View):
    """The sums of the usage reports of a month, at the prices of the moment in which each request ended."""

    number: str = Field(
        description="Number of the statement, which is `InvoiceId` in exports", examples=["acme/2026-11"]
    )
    tenant_id: str
    tenant_name: str | None = Field(description="Null: the tenant was deleted")
    issuer: str
    currency: str = Field(examples=["USD"])
    since: Time = Field(alias="from")
    until: Time = Field(alias="to")
    time_zone: str = Field(description="Time zone in which the month begins and ends", examples=["UTC"])
    made_at: Time
    closed: bool = Field(description="Whether the month is over; until then the statement grows")
    lines: list[StatementLine]
    charges: list[StatementCharge] | None = Field(
        description="The same by kind and price; null: too many requests to add up in time, use an export instead"
    )
    total: FiguresView


@router.get("", response_model=StatementView, responses={404: ANSWERS[404]})
async def get_statement(
    id: Annotated[Text, Path(max_length=256)],
    call: Reading,
    month: Annotated[
        Text | None, Query(max_length=7, description="Month in UTC; absent: the current month", examples=["2026-11"])
    ] = None,
) -> dict[str, Any]:
    """Returns the statement of a tenant for one month.  Refused requests are counted and cost nothing.  Nothing is
    refunded afterwards, so there are no credits."""
    now = datetime.now(UTC)
    return _shown(await statement(call.session, id, f"{now:%Y-%m}" if month is None else month, now))


def _shown(of: Statement) -> dict[str, Any]:
    since, until = of.interval
    lines = [
        {"key_id": key, "key_name": of.key_names.get(key), "model": model, **figures(line.figures)}
        for line in of.lines
        for key, model in [line.group]
    ]
    head = {name: getattr(of, name) for name in ("number", "tenant_id", "tenant_name", "issuer", "currency")}
    times = {"from": since, "to": until, "time_zone": "UTC", "made_at": of.made_at, "closed": of.closed}
    charges = None if of.charges is None else [_charge(each) for each in of.charges]
    return {**head, **times, "lines": lines, "charges": charges, "total": figures(of.total)}


def _charge(of: PriceLine) -> dict[str, Any]:
    rate = of.rate
    price = None if rate.price is None else money(rate.price)
    found = {"model": of.model, "kind": rate.kind, "quantity": of.quantity, "price": price, "per": rate.per}
    tier = {"service_tier": rate.service_tier, "above_input_tokens": rate.above_input_tokens}
    return {**found, "price_version": rate.version, **tier, "cost": money(of.cost)}

"""Charges in the columns of FOCUS, the FinOps Open Cost and Usage Specification, versions 1.4 and 1.2.  Pure.

A tenant is a billing account, a key a sub account, a model a resource, and what is counted of a model (input, output,
cached …) a SKU.  Columns are there as the specification wants them of one who publishes unit prices and measures usage,
and has no commitments, regions or currencies of its own: docs/operate/exports.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from admin.commands.exports.columns import Column, Kind
from ledger.charges import Charge
from ledger.cost import PER_ONE

HOUR = timedelta(hours=1)
UNNAMED = "(no model)"
METERS = {
    "input": "Input tokens",
    "output": "Output tokens",
    "cached": "Input tokens read from a cache",
    "cache_write_5m": "Input tokens written into a cache for 5 minutes",
    "cache_write_1h": "Input tokens written into a cache for 1 hour",
    "reasoning": "Reasoning tokens",
    "audio_input": "Audio input tokens",
    "audio_output": "Audio output tokens",
    "image_input": "Image input tokens",
    "image_output": "Image output tokens",
    "image": "Images",
    "request": "Requests",
    "search": "Searches",
}
UNITS = {"image": "Images", "request": "Requests", "search": "Searches"}


@dataclass(frozen=True, slots=True)
class Context:
    """Who charges, in which currency, and what people call tenants and keys."""

    issuer: str
    currency: str
    tenants: Mapping[str, str]
    keys: Mapping[str, str]


def _model(charge: Charge) -> str:
    return charge.subject.model.strip() or UNNAMED


def _unit(charge: Charge) -> str:
    return UNITS.get(charge.rate.kind, "Tokens")


def _known(charge: Charge) -> bool:
    """Whether it is known what was used, and at which price.  If not, the charge is an adjustment of the ledger."""
    return charge.rate.price is not None


def _quantity(charge: Charge, _: Context) -> Decimal | None:
    return Decimal(charge.quantity) if _known(charge) else None


def _pricing_quantity(charge: Charge, _: Context) -> Decimal | None:
    return Decimal(charge.quantity) / charge.rate.per if _known(charge) else None


def _pricing_unit(charge: Charge, _: Context) -> str | None:
    if not _known(charge):
        return None
    return _unit(charge) if charge.rate.kind in PER_ONE else f"{charge.rate.per} {_unit(charge)}"


def _sku(charge: Charge, _: Context) -> str | None:
    return f"{_model(charge)}/{charge.rate.kind}" if _known(charge) else None


def _sku_price(charge: Charge, context: Context) -> str | None:
    """The id of one version of a model's prices and one of its tiers."""
    rate = charge.rate
    if not _known(charge):
        return None
    tier = f"/{rate.service_tier}" if rate.service_tier else ""
    above = f"/above-{rate.above_input_tokens}" if rate.above_input_tokens else ""
    return f"{_sku(charge, context)}/{'free' if rate.version is None else rate.version}{tier}{above}"


def _details(charge: Charge, _: Context) -> str | None:
    rate = charge.rate
    found = {
        "x_PriceVersion": rate.version,
        "x_ServiceTier": rate.service_tier,
        "x_AboveInputTokens": rate.above_input_tokens,
    }
    given = {name: value for name, value in found.items() if value}
    return json.dumps(given) if given and _known(charge) else None


def _description(charge: Charge, _: Context) -> str:
    if not _known(charge):
        return f"{charge.rate.kind} cost of {_model(charge)}, not explained by a kept price"
    return f"{METERS[charge.rate.kind]} of {_model(charge)}"


def _text(value: str | None) -> str | None:
    """FOCUS has null for empty values, and no spaces around text."""
    return (value or "").strip() or None


def _tenant(charge: Charge, context: Context) -> str | None:
    """The tenant's name; of a deleted tenant the id."""
    return _text(context.tenants.get(charge.subject.tenant_id)) or _text(charge.subject.tenant_id)


def _key(charge: Charge, context: Context) -> str | None:
    return _text(context.keys.get(charge.subject.key_id)) or _text(charge.subject.key_id)


def statement_id(tenant_id: str, time: datetime) -> str:
    """The id of the tenant's statement of that month."""
    return f"{tenant_id}/{time:%Y-%m}"


def _month(time: datetime) -> datetime:
    return time.replace(day=1, hour=0)


def _next_month(time: datetime) -> datetime:
    return _month(_month(time) + timedelta(days=32))


def _text_column(name: str, text: str) -> Column:
    return Column(name, Kind.TEXT, lambda charge, context: text)


def _issuer(name: str) -> Column:
    return Column(name, Kind.TEXT, lambda charge, context: context.issuer)


def _when_known(name: str, text: str) -> Column:
    return Column(name, Kind.TEXT, lambda charge, context: text if _known(charge) else None)


COMMON = (
    Column("BilledCost", Kind.MONEY, lambda charge, context: charge.cost),
    Column("EffectiveCost", Kind.MONEY, lambda charge, context: charge.cost),
    Column("ListCost", Kind.MONEY, lambda charge, context: charge.exact),
    Column("ContractedCost", Kind.MONEY, lambda charge, context: charge.exact),
    Column("BillingCurrency", Kind.TEXT, lambda charge, context: context.currency),
    Column("BillingAccountId", Kind.TEXT, lambda charge, context: charge.subject.tenant_id),
    Column("BillingAccountName", Kind.TEXT, _tenant),
    _text_column("BillingAccountType", "Tenant"),
    Column("SubAccountId", Kind.TEXT, lambda charge, context: _text(charge.subject.key_id)),
    Column("SubAccountName", Kind.TEXT, _key),
    Column("SubAccountType", Kind.TEXT, lambda charge, context: "Key" if _text(charge.subject.key_id) else None),
    Column("BillingPeriodStart", Kind.TIME, lambda charge, context: _month(charge.subject.hour)),
    Column("BillingPeriodEnd", Kind.TIME, lambda charge, context: _next_month(charge.subject.hour)),
    Column("ChargePeriodStart", Kind.TIME, lambda charge, context: charge.subject.hour),
    Column("ChargePeriodEnd", Kind.TIME, lambda charge, context: charge.subject.hour + HOUR),
    Column("ChargeCategory", Kind.TEXT, lambda charge, context: "Usage" if _known(charge) else "Adjustment"),
    Column("ChargeClass", Kind.TEXT, lambda charge, context: None),
    Column("ChargeDescription", Kind.TEXT, _description),
    Column("ChargeFrequency", Kind.TEXT, lambda charge, context: "Usage-Based" if _known(charge) else "One-Time"),
    _when_known("PricingCategory", "Standard"),
    Column("PricingQuantity", Kind.MONEY, _pricing_quantity),
    Column("PricingUnit", Kind.TEXT, _pricing_unit),
    Column("ListUnitPrice", Kind.MONEY, lambda charge, context: charge.rate.price),
    Column("ContractedUnitPrice", Kind.MONEY, lambda charge, context: charge.rate.price),
    Column("ConsumedQuantity", Kind.MONEY, _quantity),
    Column("ConsumedUnit", Kind.TEXT, lambda charge, context: _unit(charge) if _known(charge) else None),
    Column("SkuId", Kind.TEXT, _sku),
    Column("SkuPriceId", Kind.TEXT, _sku_price),
    Column("SkuMeter", Kind.TEXT, lambda charge, context: METERS[charge.rate.kind] if _known(charge) else None),
    Column("SkuPriceDetails", Kind.TEXT, _details),
    _text_column("ServiceCategory", "AI and Machine Learning"),
    _text_column("ServiceSubcategory", "Generative AI"),
    _text_column("ServiceName", "LLM inference"),
    Column("ResourceId", Kind.TEXT, lambda charge, context: _model(charge)),
    Column("ResourceName", Kind.TEXT, lambda charge, context: _model(charge)),
    _text_column("ResourceType", "Model"),
    _issuer("InvoiceIssuerName"),
    Column("InvoiceId", Kind.TEXT, lambda charge, context: statement_id(charge.subject.tenant_id, charge.subject.hour)),
)
OURS = (
    Column("x_UserId", Kind.TEXT, lambda charge, context: _text(charge.subject.user_id)),
    Column("x_Requests", Kind.WHOLE, lambda charge, context: charge.requests),
)
FOCUS_1_4 = (*COMMON, _issuer("ServiceProviderName"), _issuer("HostProviderName"), *OURS)
# What is not required of us, but asked for by the validator of this version.
ALSO_1_2 = (
    Column("PricingCurrency", Kind.TEXT, lambda charge, context: context.currency),
    Column("PricingCurrencyEffectiveCost", Kind.MONEY, lambda charge, context: charge.cost),
    Column("PricingCurrencyListUnitPrice", Kind.MONEY, lambda charge, context: charge.rate.price),
    Column("PricingCurrencyContractedUnitPrice", Kind.MONEY, lambda charge, context: charge.rate.price),
    Column("CommitmentDiscountStatus", Kind.TEXT, lambda charge, context: None),
)
FOCUS_1_2 = (*COMMON, _issuer("ProviderName"), _issuer("PublisherName"), *ALSO_1_2, *OURS)

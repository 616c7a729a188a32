"""How sums of usage are shown: fields of the answers, and money as decimal strings.  No route and no query here."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from admin.fields import View, money
from ledger.sums import FIGURES, Figures, Line

Money = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?$", "examples": ["12.0375"]})]
# What each word of `group_by` groups by: a key or a user is one of its tenant.
GROUPS = {
    "tenant": ("tenant_id",),
    "key": ("tenant_id", "key_id"),
    "user": ("tenant_id", "user_id"),
    "model": ("model",),
}


class GroupView(View):
    """Whose figures a row shows: those of the fields that the rows are grouped by."""

    tenant_id: str | None = Field(None, examples=["acme"])
    key_id: str | None = None
    user_id: str | None = Field(None, description="Empty: keys without a user")
    model: str | None = Field(None, description="Empty: requests that named no model", examples=["mock-model"])
    tenant_name: str | None = Field(None, description="Null: it was deleted")
    key_name: str | None = Field(None, description="Null: it was deleted")


class TokensView(View):
    """Requests that were let through, requests that were refused, and the tokens.  `cached_tokens` are part of the
    input, `reasoning_tokens` of the output; `reserved_tokens` is what was set aside before the answers came."""

    requests: int = Field(examples=[1200])
    refused: int = Field(examples=[3])
    input_tokens: int = Field(examples=[480000])
    output_tokens: int = Field(examples=[96000])
    cached_tokens: int = Field(examples=[120000])
    reasoning_tokens: int = Field(examples=[0])
    reserved_tokens: int = Field(examples=[610000])
    errors: int = Field(description="Requests answered with a status from 500", examples=[2])
    cache_hits: int = Field(description="Requests with cached tokens", examples=[300])
    total_ms: int = Field(description="Time that the requests took, together", examples=[54000])
    cost: Money
    cache_write_tokens: int = Field(description="Input written into prompt caches", examples=[2400])
    audio_tokens: int = Field(description="Of sound, put in and put out", examples=[0])
    image_tokens: int = Field(description="Of images, put in and put out", examples=[0])
    images: int = Field(description="Images made", examples=[0])


class CostsView(View):
    """What the tokens cost, at the prices of the moment in which each request ended."""

    requests: int = Field(examples=[1200])
    input_tokens: int = Field(examples=[480000])
    cached_tokens: int = Field(examples=[120000])
    output_tokens: int = Field(examples=[96000])
    input_cost: Money = Field(
        description="For the input that was not read from a cache, also what was written into one"
    )
    cached_cost: Money
    output_cost: Money = Field(description="For the output, images made and requests as such")
    cost: Money = Field(description="The three together")


def shown(line: Line, group_by: Sequence[str], called: Mapping[str, str | None]) -> dict[str, Any]:
    """A line as a row of an answer: the group's fields, what it is called, then every figure."""
    return {**dict(zip(group_by, line.group, strict=True)), **called, **figures(line.figures)}


def figures(of: Figures) -> dict[str, Any]:
    """Every figure by its name."""
    found = {name: getattr(of, name) for name in (*FIGURES, "cost")}
    return {name: money(each) if isinstance(each, Decimal) else each for name, each in found.items()}

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
    """The group that a row belongs to.  Only the fields that the rows are grouped by are shown."""

    tenant_id: str | None = Field(None, examples=["acme"])
    key_id: str | None = None
    user_id: str | None = Field(None, description="Empty: the usage of keys without a user")
    model: str | None = Field(
        None, description="Empty: the usage of requests that named no model", examples=["mock-model"]
    )
    tenant_name: str | None = Field(None, description="Null: the tenant was deleted")
    key_name: str | None = Field(None, description="Null: the key was deleted")


class TokensView(View):
    """Numbers of admitted and of refused requests, and of tokens.  `cached_tokens` are part of `input_tokens`,
    `reasoning_tokens` part of `output_tokens`; `reserved_tokens` were set aside before the answers came."""

    requests: int = Field(examples=[1200])
    refused: int = Field(examples=[3])
    input_tokens: int = Field(examples=[480000])
    output_tokens: int = Field(examples=[96000])
    cached_tokens: int = Field(examples=[120000])
    reasoning_tokens: int = Field(examples=[0])
    reserved_tokens: int = Field(examples=[610000])
    errors: int = Field(description="Requests answered with a status of 500 or above", examples=[2])
    cache_hits: int = Field(description="Requests with cached tokens", examples=[300])
    total_ms: int = Field(description="Sum of the times that the requests took, in milliseconds", examples=[54000])
    cost: Money
    cache_write_tokens: int = Field(description="Input tokens written into prompt caches", examples=[2400])
    audio_tokens: int = Field(description="Tokens of sound, in the input and in the output", examples=[0])
    image_tokens: int = Field(description="Tokens of images, in the input and in the output", examples=[0])
    images: int = Field(description="Images that were generated", examples=[0])


class CostsView(View):
    """Costs at the prices that held when each request ended."""

    requests: int = Field(examples=[1200])
    input_tokens: int = Field(examples=[480000])
    cached_tokens: int = Field(examples=[120000])
    output_tokens: int = Field(examples=[96000])
    input_cost: Money = Field(
        description="Cost of the input that was not read from a cache, including what was written into one"
    )
    cached_cost: Money
    output_cost: Money = Field(
        description="Cost of the output, of generated images, and of requests that have a price each"
    )
    cost: Money = Field(description="Sum of these three costs")


def shown(line: Line, group_by: Sequence[str], called: Mapping[str, str | None]) -> dict[str, Any]:
    """A line as a row of an answer: the group's fields, what it is called, then every figure."""
    return {**dict(zip(group_by, line.group, strict=True)), **called, **figures(line.figures)}


def figures(of: Figures) -> dict[str, Any]:
    """Every figure by its name."""
    found = {name: getattr(of, name) for name in (*FIGURES, "cost")}
    return {name: money(each) if isinstance(each, Decimal) else each for name, each in found.items()}

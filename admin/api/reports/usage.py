"""/usage: what was used, by tenant, key, user or model, and over time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from admin.api.call import Reading
from admin.api.paging import page_of
from admin.api.reports.figures import GROUPS, GroupView, Money, TokensView, figures
from admin.api.reports.report import ANSWERS, BACK, answer, grouped, in_buckets, rows_of, table, wants_csv
from admin.api.reports.span import Buckets, Span
from admin.commands.queries import names
from admin.commands.session import Session
from admin.fields import Time, View
from ledger.sums import Figures, Line

router = APIRouter(prefix="/usage", tags=["usage"])

Word = Literal["tenant", "key", "user", "model"]
TOKENS = tuple(TokensView.model_fields)


class UsageQuery(Span):
    """Whether the report has the totals of one tenant or a page of rows, and for which time."""

    group_by: Word | None = Field(
        None, description="What rows are grouped by; absent: totals of `tenant_id`, or without it one row per tenant"
    )


class SeriesQuery(Buckets):
    """Which usage a series covers: one point for each bucket of time, or for each bucket and group."""

    group_by: Word | None = Field(None, description="Absent: one point for each bucket, also where nothing was used")


class UsageView(TokensView):
    """The usage of one tenant."""

    tenant_id: str = Field(examples=["acme"])


class UsageLine(TokensView, GroupView):
    """The usage of one group."""


class ReportPage(View):
    """A page of a report, with the time that the report covers."""

    since: Time | None = Field(alias="from", description="Null: the report begins with the oldest usage there is")
    until: Time = Field(alias="to")
    next_cursor: str | None


UsagePage = page_of("UsagePage", "A page of totals, one a group that has any, by its ids.", ReportPage, usage=UsageLine)


KeyUsagePage = page_of(
    "KeyUsagePage", "A page of totals, one a key that was used, by tenant and key.", ReportPage, keys=UsageLine
)


ModelUsagePage = page_of(
    "ModelUsagePage", "A page of totals, one a model that was asked for, by name.", ReportPage, models=UsageLine
)


class UsagePoint(UsageLine):
    """The usage in one bucket of time."""

    start: Time = Field(description="The bucket's own beginning, also when `from` is within it")


SeriesPage = page_of("SeriesPage", "A page of points, by time.", ReportPage, series=UsagePoint)


class CacheView(View):
    """How much of a model's input came from its prompt cache, and how many of its answers from the response cache."""

    __module__ = "admin.usage"  # what the OpenAPI document has always named it after, since there are two

    model: str = Field(examples=["mock-model"])
    requests: int = Field(examples=[1200])
    cache_hits: int = Field(description="Requests with cached tokens", examples=[300])
    hit_ratio: float = Field(description="`cache_hits` as a share of the requests, 0 to 1", examples=[0.25])
    input_tokens: int = Field(examples=[480000])
    cached_tokens: int = Field(examples=[120000])
    cached_share: float = Field(description="`cached_tokens` as a share of the input tokens, 0 to 1", examples=[0.25])
    response_cache_hits: int = Field(description="Requests answered from the response cache", examples=[100])
    response_cache_bytes: int = Field(description="Size of those answers in bytes", examples=[250000])
    response_hit_ratio: float = Field(
        description="`response_cache_hits` as a share of the requests, 0 to 1", examples=[0.083333]
    )
    saved_input_tokens: int = Field(
        description="Input tokens of those requests, which were not charged", examples=[40000]
    )
    saved_output_tokens: int = Field(examples=[8000])
    saved_cost: Money = Field(description="What these tokens would have cost, had a model made the answers")


CachePage = page_of("CachePage", "A page of cache figures, one a model, by name.", ReportPage, cache=CacheView)


# Rows show only the ids that they are grouped by.
JSON: dict[str, Any] = {"response_model_exclude_unset": True, "responses": ANSWERS}
Answer = Response | dict[str, Any]


@router.get("", response_model=UsageView | UsagePage, **JSON)
async def get_usage(query: Annotated[UsageQuery, Query()], call: Reading, request: Request) -> Answer:
    """Returns the totals of one tenant, even a deleted one, or one row per tenant, key, user or model.  The report
    covers all recorded usage unless `from` is given."""
    if query.tenant_id is not None and query.group_by is None:
        return await _of_tenant(query.tenant_id, query, call.session, request)
    return await _grouped(call.session, query, "usage", GROUPS[query.group_by or "tenant"], None, request)


@router.get("/keys", response_model=KeyUsagePage, **JSON)
async def get_usage_of_keys(query: Annotated[Span, Query()], call: Reading, request: Request) -> Answer:
    """Lists usage, one row per key.  The report covers the last 30 days unless `from` is given."""
    return await _grouped(call.session, query, "keys", GROUPS["key"], BACK, request)


@router.get("/models", response_model=ModelUsagePage, **JSON)
async def get_usage_of_models(query: Annotated[Span, Query()], call: Reading, request: Request) -> Answer:
    """Lists usage, one row per model.  The report covers the last 30 days unless `from` is given."""
    return await _grouped(call.session, query, "models", GROUPS["model"], BACK, request)


@router.get("/series", response_model=SeriesPage, **JSON)
async def get_usage_series(query: Annotated[SeriesQuery, Query()], call: Reading, request: Request) -> Answer:
    """Returns usage over time: the last 24 hours, hour by hour, unless `from` and `bucket` are given."""
    return await _series(call.session, query, GROUPS[query.group_by] if query.group_by else (), request)


@router.get("/series/tenants", response_model=SeriesPage, **JSON)
async def get_usage_series_of_tenants(query: Annotated[Buckets, Query()], call: Reading, request: Request) -> Answer:
    """Returns usage over time: one point for each bucket and each tenant that used something in it."""
    return await _series(call.session, query, GROUPS["tenant"], request)


@router.get("/cache", response_model=CachePage, **JSON)
async def get_cache_usage(query: Annotated[Span, Query()], call: Reading, request: Request) -> Answer:
    """Shows for each model how much of the input came from prompt caches, and how many answers came from the response
    cache.  The report covers the last 30 days unless `from` is given."""
    found = await grouped(call.session, query, GROUPS["model"], BACK)
    rows = [_cached(line) for line in found.lines]
    return answer(request, query, "cache", tuple(CacheView.model_fields), rows, found)


async def _of_tenant(tenant_id: str, query: UsageQuery, session: Session, request: Request) -> Answer:
    found = await grouped(session, query, GROUPS["tenant"], None)
    totals = found.lines[0].figures if found.lines else Figures()
    row = {"tenant_id": tenant_id, **figures(totals)}
    return table("usage", ("tenant_id", *TOKENS), [row], None) if wants_csv(request, query.format) else row


async def _series(session: Session, query: Buckets, group_by: Sequence[str], request: Request) -> Answer:
    found, starts = await in_buckets(session, query, group_by)
    if group_by:
        shown = await rows_of(session, found.lines, group_by)
        rows = [{"start": starts[line.slot], **row} for line, row in zip(found.lines, shown, strict=True)]
    else:
        sums: Mapping[int, Figures] = {line.slot: line.figures for line in found.lines}
        rows = [{"start": start, **figures(sums.get(slot, Figures()))} for slot, start in enumerate(starts)]
    columns = ("start", *group_by, *TOKENS, *names.columns(group_by))
    return answer(request, query, "series", columns, rows, found)


async def _grouped(
    session: Session, query: Span, name: str, group_by: Sequence[str], back: timedelta | None, request: Request
) -> Answer:
    found = await grouped(session, query, group_by, back)
    rows = await rows_of(session, found.lines, group_by)
    return answer(request, query, name, (*group_by, *TOKENS, *names.columns(group_by)), rows, found)


def _cached(line: Line) -> dict[str, Any]:
    of = line.figures
    ratios = {
        "hit_ratio": _share(of.cache_hits, of.requests),
        "cached_share": _share(of.cached_tokens, of.input_tokens),
        "response_hit_ratio": _share(of.response_cache_hits, of.requests),
    }
    return {"model": line.group[0], **figures(of), **ratios}


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0

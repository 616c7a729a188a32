"""/costs: what the tokens cost, by tenant, key, user or model.  Prices are frozen into each row."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from admin.api.call import Reading
from admin.api.reports.figures import GROUPS, CostsView, GroupView, figures
from admin.api.reports.report import ANSWERS, BACK, answer, grouped, rows_of
from admin.api.reports.span import Span
from admin.api.reports.usage import ReportPage, Word
from admin.commands.queries import names, reports
from ledger.sums import Figures

router = APIRouter(prefix="/costs", tags=["usage"])

COLUMNS = tuple(CostsView.model_fields)


class CostsQuery(Span):
    """Which costs a report covers, and how they are grouped into rows."""

    group_by: list[Word] = Field(
        ["tenant"], min_length=1, max_length=4, description="What rows are grouped by; may be repeated"
    )


class CostsLine(CostsView, GroupView):
    """The costs of one group."""


class CostsPage(ReportPage):
    """A page of costs: one row for each group that used anything, ordered by its ids."""

    costs: list[CostsLine]
    total: CostsView = Field(description="The costs of all groups, on this page and on others")


@router.get("", response_model=CostsPage, response_model_exclude_unset=True, responses=ANSWERS)
async def get_costs(
    query: Annotated[CostsQuery, Query()], call: Reading, request: Request
) -> Response | dict[str, Any]:
    """Breaks costs down, at the prices that held when each request ended.  The report covers the last 30 days unless
    `from` is given."""
    group_by = tuple(dict.fromkeys(name for word in query.group_by for name in GROUPS[word]))
    found = await grouped(call.session, query, group_by, BACK)
    rows = await rows_of(call.session, found.lines, group_by)
    page = answer(request, query, "costs", (*group_by, *COLUMNS, *names.columns(group_by)), rows, found)
    if isinstance(page, Response):
        return page
    whole = await reports.usage(call.session, query.selection, [found.interval])
    return {**page, "total": figures(whole[0].figures if whole else Figures())}

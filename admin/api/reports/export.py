"""/usage/export: the ledger as files, page by page: its own rows, or charges in the columns of FOCUS."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from admin.api.call import Reading
from admin.api.paging import encode
from admin.api.reports.report import ANSWERS, BACK, NEXT_CURSOR
from admin.api.reports.span import Stretch
from admin.commands.queries.export import Schema, export
from admin.fields import Whole
from admin.gate import parquet
from admin.gate.sheet import CSV, attached, lines

router = APIRouter(prefix="/usage/export", tags=["usage"])

MOST_REQUESTS = 5000  # of one page: it is read within a second, and fits into memory


class ExportQuery(Stretch):
    """Whose usage an export covers, in which time range, and in which form."""

    limit: Whole = Field(MOST_REQUESTS, ge=1, le=MOST_REQUESTS, description="Maximum number of requests")
    format: Literal["csv", "parquet"] = Field("csv", description="Format of the file")
    layout: Schema = Field(
        Schema.FOCUS_1_4,
        alias="schema",
        description="`focus-1.4`, `focus-1.2`: a row per hour, key, user, model, kind, price; `rows`: one per request",
    )


FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page as a file; where it goes on is in a header",
        "content": {
            CSV: {"schema": {"type": "string"}, "example": "BilledCost,EffectiveCost\r\n0.25,0.25\r\n"},
            parquet.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
        "headers": {
            NEXT_CURSOR: {
                "description": "`cursor` of the next page, unless this one is the last",
                "schema": {"type": "string"},
            }
        },
    },
    404: ANSWERS[404],
}


@router.get("", response_class=StreamingResponse, responses=FILES)
async def export_usage(query: Annotated[ExportQuery, Query()], call: Reading) -> Response:
    """Exports the ledger as a file, in order of time.  It covers the last 30 days unless `from` is given.  Repeat the
    request with `cursor` while there is a header `Tollkeeper-Next-Cursor`: each page is a file with all columns."""
    position = query.position(str)
    interval, (after,) = position or (query.interval(BACK, datetime.now(UTC)), ("",))
    found = await export(call.session, query.layout, query.selection, interval, query.limit, after)
    table = found.table
    if query.format == "parquet":
        content, media_type = parquet.written(table)(), parquet.MEDIA_TYPE
        answer = StreamingResponse(content, media_type=media_type)
    else:
        names = [column.name for column in table.columns]
        answer = StreamingResponse(lines(names, table.rows()), media_type=f"{CSV}; charset=utf-8")
    answer.headers.update(attached(f"usage-{table.name}.{query.format}"))
    if found.last:
        answer.headers[NEXT_CURSOR] = encode((*(each.isoformat() for each in interval), found.last))
    return answer

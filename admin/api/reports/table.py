"""An answer as CSV, for those who ask for it: the rows of a list, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import Request, Response

from admin.api.fields import rfc3339

CSV = "text/csv"
# What a spreadsheet takes for a formula, also after whitespace that it strips (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NEXT_CURSOR = "tollkeeper-next-cursor"


def wants_csv(request: Request, asked: str | None) -> bool:
    """By `format`, else if the Accept header names CSV and not JSON."""
    if asked is not None:
        return asked == "csv"
    accept = request.headers.get("accept", "").lower()
    return CSV in accept and "application/json" not in accept


def table(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], next_cursor: str | None) -> Response:
    """The `columns` of `rows` under a header, as a file to be saved; where it goes on is in headers."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row.get(column)) for column in columns])
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    if next_cursor is not None:
        headers[NEXT_CURSOR] = next_cursor
    return Response(text.getvalue(), media_type=f"{CSV}; charset=utf-8", headers=headers)


def cell(value: object) -> object:
    """An apostrophe keeps text from being computed; numbers are numbers, times as in JSON."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return value

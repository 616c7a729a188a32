"""Tables as CSV that is safe to open in a spreadsheet."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from admin.fields import rfc3339

CSV = "text/csv"
# What a spreadsheet takes for a formula, also after whitespace that it strips (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\N{MINUS SIGN}")
BREAKS = ("\t", "\r", "\n")


def sheet(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """The `columns` of `rows` under a header, as a file of that name."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row.get(column)) for column in columns])
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(text.getvalue(), headers=headers, media_type=f"{CSV}; charset=utf-8")


def _sign(text: str) -> str:
    """Its first character; spreadsheets of some languages take the full-width forms for the same."""
    return unicodedata.normalize("NFKC", text.lstrip()[:1])


def cell(value: object) -> object:
    """An apostrophe keeps text from being computed; numbers are numbers, times as in JSON."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str) and (value.startswith(BREAKS) or _sign(value) in FORMULA):
        return f"'{value}"
    return value

"""Tables as CSV that is safe to open in a spreadsheet."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from starlette.responses import Response

from admin.fields import money, rfc3339

CSV = "text/csv"
T = TypeVar("T")
# What a spreadsheet takes for a formula, also after whitespace that it strips (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\N{MINUS SIGN}")
BREAKS = ("\t", "\r", "\n")
MILLISECONDS = "%Y-%m-%dT%H:%M:%S.%fZ"
ROWS_AT_ONCE = 500  # of a file that is sent while it is made


def sheet(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """The `columns` of `rows` under a header, as a file of that name."""
    text = "".join(lines(columns, ([row.get(column) for column in columns] for row in rows)))
    return Response(text, headers=attached(f"{name}.csv"), media_type=f"{CSV}; charset=utf-8")


def lines(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """The same, in pieces of some rows, as they come."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for batch in batched(rows, ROWS_AT_ONCE):
        writer.writerows([cell(value) for value in row] for row in batch)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    if rest := text.getvalue():  # without any row
        yield rest


def attached(name: str) -> dict[str, str]:
    """The header that makes a file of an answer."""
    return {"content-disposition": f'attachment; filename="{name}"'}


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """As itertools has it from Python 3.12 on."""
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def _sign(text: str) -> str:
    """Its first character; full-width forms count as their ASCII equivalents, as in spreadsheets of some languages."""
    return unicodedata.normalize("NFKC", text.lstrip()[:1])


def cell(value: object) -> object:
    """An apostrophe keeps text from being computed; numbers are numbers; times as in JSON.  A Decimal
    has no exponent, and a point, so that no reader takes its column for one of whole numbers."""
    if isinstance(value, datetime):
        return rfc3339(value) if not value.microsecond else value.astimezone(UTC).strftime(MILLISECONDS)[:-4] + "Z"
    if isinstance(value, Decimal):
        text = money(value)
        return text if "." in text else f"{text}.0"
    if isinstance(value, str) and (value.startswith(BREAKS) or _sign(value) in FORMULA):
        return f"'{value}"
    return value

"""`tollkeeper usage …`: what was used, over time, and what it cost; as a table, JSON, CSV or a file."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer

from tollkeeper.cli.client import PAGE, Query, collection_of
from tollkeeper.cli.command import ColumnsOption, command, noun
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import FROM, TO, Field, Given
from tollkeeper.cli.files.export import CURSOR_HEADER, add_export
from tollkeeper.cli.kinds import ID, Kind
from tollkeeper.cli.nouns.tenants import TENANTS
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import chosen

WHO = ("start", "tenant_name", "tenant_id", "key_name", "key_id", "user_id", "model")
TOKENS = (*WHO, "requests", "refused", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")
COSTS = (*WHO, "requests", "input_cost", "cached_cost", "output_cost", "cost")
EVERY_COLUMN = ()


class Group(StrEnum):
    """What each row sums up."""

    TENANT = "tenant"
    KEY = "key"
    USER = "user"
    MODEL = "model"


def _tenant_id(session: Session, reference: str) -> str:
    """What is not (or no more) a tenant may still have usage under this id."""
    try:
        return TENANTS.id_of(session, reference)
    except CommandFailed as failed:
        if failed.code is not Exit.NOT_FOUND:
            raise
        return reference


OF_WHAT = (
    FROM,
    TO,
    Field("--tenant", help="Only this tenant, by id or name; if deleted, by id.", name="tenant_id", convert=_tenant_id),
    Field("--key", ID, "Only this key.", name="key_id"),
    Field("--user", ID, "Only this user.", name="user_id"),
    Field("--model", help="Only this model."),
)
BY = Field("--by", Kind(Group), "What each row sums up.", name="group_by")
BY_SEVERAL = Field("--by", Kind(list[Group]), "What each row sums up; may be repeated.", name="group_by")
BUCKET = Field("--bucket", help="Width: minute, hour, day, week, month, or a number of seconds.", default="hour")
ZONE = Field("--tz", help="Time zone in which days begin, such as Europe/Berlin.")
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")]

app = noun()


def _add_report(name: str, path: str, columns: tuple[str, ...], help: str, *fields: Field) -> None:
    @command(app, name, *OF_WHAT, *fields, help=help)
    def report(session: Session, given: Given, wanted: ColumnsOption = None, csv: CsvOption = False) -> None:
        if csv:
            for text in _csv(session, path, given):
                typer.echo(text, nl=False)
        else:
            _show(session, _whole(session, path, given), chosen(columns, wanted))


_add_report("show", "/usage", TOKENS, "Show what was used, one row per tenant unless --by says otherwise.", BY)
_add_report("series", "/usage/series", TOKENS, "Show usage over time.", BY, BUCKET, ZONE)
_add_report("costs", "/costs", COSTS, "Show what usage cost, at the prices of its time.", BY_SEVERAL)
_add_report(
    "cache",
    "/usage/cache",
    EVERY_COLUMN,
    "Show what came from prompt caches and from the response cache, one row per model.",
)
add_export(app, OF_WHAT)


def _whole(session: Session, path: str, query: Query) -> dict[str, Any]:
    """A report with the rows of all of its pages."""
    whole, *others = session.client.pages(path, query)
    for page in others:
        collection_of(whole).extend(collection_of(page))
    whole.pop("next_cursor", None)
    return whole


def _show(session: Session, report: dict[str, Any], columns: Sequence[str]) -> None:
    if session.show.as_json or not any(isinstance(value, list) for value in report.values()):
        session.show.one(report)
        return
    session.show.rows(sorted(collection_of(report), key=_largest_first), columns, "nothing was used")
    if "cost" in report.get("total", {}):
        session.show.note(f"\ntotal cost: {report['total']['cost']}")


def _largest_first(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """By cost and tokens, within each bucket of a series."""
    tokens = row.get("input_tokens", 0) + row.get("output_tokens", 0)
    return row.get("start", ""), -Decimal(row.get("cost", 0)), -tokens, -row.get("requests", 0)


def _csv(session: Session, path: str, query: Query) -> Iterator[str]:
    """One table: the header of the first page only."""
    cursor, first = None, True
    while True:
        asked = {**query, "limit": PAGE, "cursor": cursor, "format": "csv"}
        answer = session.client.ask("GET", path, query=asked)
        text = str(answer.body)
        yield text if first else text.split("\n", 1)[-1]
        cursor, first = answer.headers.get(CURSOR_HEADER), False
        if cursor is None:
            return

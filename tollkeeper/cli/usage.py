"""`tollkeeper usage …`: what was used, over time, and what it cost; as a table, JSON or CSV."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from tollkeeper.cli.client import PAGE, Query, collection_of
from tollkeeper.cli.command import ColumnsOption, Session, command, noun
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.tenants import tenant_id_of
from tollkeeper.cli.times import FromOption, ToOption

CURSOR_HEADER = "tollkeeper-next-cursor"
WHO = ("start", "tenant_id", "key_id", "user_id", "model")
TOKENS = (*WHO, "requests", "refused", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")
COSTS = (*WHO, "requests", "input_cost", "cached_cost", "output_cost", "cost")
EVERY_COLUMN = ()

app = noun("Usage: what was used, over time, and what it cost.")


class Group(StrEnum):
    """What a row is."""

    TENANT = "tenant"
    KEY = "key"
    USER = "user"
    MODEL = "model"


Tenant = Annotated[
    str | None, typer.Option("--tenant", help="Only this tenant, by id or name; also a deleted one's id.")
]
Key = Annotated[str | None, typer.Option("--key", metavar="ID", help="Only this key.")]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="Only this user.")]
Model = Annotated[str | None, typer.Option("--model", help="Only this model.")]
By = Annotated[Group | None, typer.Option("--by", help="What a row is.")]
Bucket = Annotated[
    str, typer.Option("--bucket", help="minute, hour, day, week, month, or a number of seconds.", show_default=True)
]
Zone = Annotated[str | None, typer.Option("--tz", help="Time zone in which days begin, as Europe/Berlin.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV, for spreadsheets.")]


@command(app, "show")
def show(
    session: Session,
    since: FromOption = None,
    until: ToOption = None,
    tenant: Tenant = None,
    key: Key = None,
    user: User = None,
    model: Model = None,
    by: By = None,
    columns: ColumnsOption = None,
    csv: Csv = False,
) -> None:
    """Show what was used, a row a tenant unless --by says otherwise."""
    query = _query(session, since, until, tenant, key, user, model)
    _report(session, "/usage", {**query, "group_by": by}, TOKENS, columns, csv)


@command(app, "series")
def series(
    session: Session,
    since: FromOption = None,
    until: ToOption = None,
    tenant: Tenant = None,
    key: Key = None,
    user: User = None,
    model: Model = None,
    by: By = None,
    bucket: Bucket = "hour",
    tz: Zone = None,
    columns: ColumnsOption = None,
    csv: Csv = False,
) -> None:
    """Show usage over time."""
    query = _query(session, since, until, tenant, key, user, model)
    _report(session, "/usage/series", {**query, "group_by": by, "bucket": bucket, "tz": tz}, TOKENS, columns, csv)


@command(app, "costs")
def costs(
    session: Session,
    since: FromOption = None,
    until: ToOption = None,
    tenant: Tenant = None,
    key: Key = None,
    user: User = None,
    model: Model = None,
    by: Annotated[list[Group] | None, typer.Option("--by", help="What a row is; may be repeated.")] = None,
    columns: ColumnsOption = None,
    csv: Csv = False,
) -> None:
    """Show what usage cost, at the prices of its time."""
    query = _query(session, since, until, tenant, key, user, model)
    _report(session, "/costs", {**query, "group_by": by or None}, COSTS, columns, csv)


@command(app, "cache")
def cache(
    session: Session,
    since: FromOption = None,
    until: ToOption = None,
    tenant: Tenant = None,
    key: Key = None,
    user: User = None,
    model: Model = None,
    columns: ColumnsOption = None,
    csv: Csv = False,
) -> None:
    """Show how much of the input came from prompt caches, a row a model."""
    query = _query(session, since, until, tenant, key, user, model)
    _report(session, "/usage/cache", query, EVERY_COLUMN, columns, csv)


def _query(
    session: Session,
    since: Any,
    until: Any,
    tenant: str | None,
    key: str | None,
    user: str | None,
    model: str | None,
) -> dict[str, object]:
    tenant_id = None if tenant is None else _tenant_id(session, tenant)
    return {"from": since, "to": until, "tenant_id": tenant_id, "key_id": key, "user_id": user, "model": model}


def _tenant_id(session: Session, reference: str) -> str:
    """What is not (or no more) a tenant may still have usage under this id."""
    try:
        return tenant_id_of(session, reference)
    except CommandFailed as failed:
        if failed.code is not Exit.NOT_FOUND:
            raise
        return reference


def _report(session: Session, path: str, query: Query, columns: tuple[str, ...], wanted: str | None, csv: bool) -> None:
    if csv:
        for text in _csv(session, path, query):
            typer.echo(text, nl=False)
        return
    whole: dict[str, Any] = {}
    for page in _pages(session, path, query):
        if not whole:
            whole = page
        else:
            collection_of(whole).extend(collection_of(page))
    whole.pop("next_cursor", None)
    if session.show.as_json or not any(isinstance(value, list) for value in whole.values()):
        session.show.one(whole)
        return
    chosen = columns if wanted is None else () if wanted == "all" else tuple(wanted.split(","))
    session.show.rows(collection_of(whole), chosen, "nothing was used")
    if "total" in whole and "cost" in whole["total"]:
        session.show.note(f"\ntotal cost: {whole['total']['cost']}")


def _pages(session: Session, path: str, query: Query) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        page = session.client.get(path, {**query, "limit": PAGE, "cursor": cursor})
        yield page
        cursor = page.get("next_cursor")
        if cursor is None:
            return


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

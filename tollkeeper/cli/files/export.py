"""`tollkeeper usage export`: the ledger as one file, made of the pages that the API gives, one in memory at a time."""

import io
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from time import sleep
from typing import Annotated, Any, BinaryIO

import typer

from tollkeeper.cli.client import Answer, Query
from tollkeeper.cli.command import command
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.files.whole import output
from tollkeeper.cli.session import Session

PATH = "/usage/export"
CURSOR_HEADER = "tollkeeper-next-cursor"
PAUSES = (1, 2, 4, 8)  # seconds before a page is asked for again
GROUP_ROWS = 100_000  # of a row group of Parquet: many small ones make a file slow to read
NO_PYARROW = "parquet is not installed: pip install 'tollkeeper[parquet]', or take --format csv"


class Format(StrEnum):
    """What kind of file."""

    CSV = "csv"
    PARQUET = "parquet"


class Schema(StrEnum):
    """Which columns."""

    FOCUS_1_4 = "focus-1.4"
    FOCUS_1_2 = "focus-1.2"
    ROWS = "rows"


FormatOption = Annotated[Format, typer.Option("--format", help="What kind of file.")]
SchemaOption = Annotated[
    Schema,
    typer.Option(
        "--schema", help="Which columns: those of FOCUS, summed up by hour and price, or a row for each request."
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to, instead of stdout.")]


def add_export(app: typer.Typer, of_what: Sequence[Field]) -> None:
    """Adds the command to its noun."""

    @command(app, "export", *of_what)
    def export(
        session: Session,
        given: Given,
        format: FormatOption = Format.CSV,
        schema: SchemaOption = Schema.FOCUS_1_4,
        out: OutOption = None,
    ) -> None:
        """Write what was used, and what it cost, into a file: for finance tools (FOCUS), or row by row.

        Of the last 30 days, unless --from says otherwise."""
        write = _write_parquet if format is Format.PARQUET else _write_csv
        asked = {**given, "format": format, "schema": schema}
        with output(out, binary=format is Format.PARQUET) as file:
            write(file, _pages(session, asked))


def _pages(session: Session, query: Query) -> Iterator[bytes]:
    cursor = None
    while True:
        answer = _page(session, {**query, "cursor": cursor})
        yield answer.body.encode() if isinstance(answer.body, str) else answer.body
        cursor = answer.headers.get(CURSOR_HEADER)
        if cursor is None:
            return


def _page(session: Session, query: Query) -> Answer:
    """Asks again while the API cannot answer: a long export should not be lost to one slow moment."""
    for pause in PAUSES:
        try:
            return session.client.ask("GET", PATH, query=query)
        except CommandFailed as failed:
            if failed.code is not Exit.UNAVAILABLE:
                raise
            session.show.note(f"{failed}; asking again in {pause} s")
            sleep(pause)
    return session.client.ask("GET", PATH, query=query)


def _write_csv(file: BinaryIO, pages: Iterator[bytes]) -> None:
    """The header of the first page only."""
    file.write(next(pages))
    for page in pages:
        file.write(page.split(b"\n", 1)[1])


def _write_parquet(file: BinaryIO, pages: Iterator[bytes]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise CommandFailed(Exit.USAGE, NO_PYARROW) from None
    first = pq.read_table(io.BytesIO(next(pages)))
    waiting: list[Any] = [first]
    with pq.ParquetWriter(file, first.schema) as writer:
        for page in pages:
            waiting.append(pq.read_table(io.BytesIO(page)))
            if sum(each.num_rows for each in waiting) >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))

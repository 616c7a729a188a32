"""`tollkeeper tenant statement`: what a tenant used in a month, key by key and model by model, and what that cost."""

from pathlib import Path
from typing import Annotated

import typer

from tollkeeper.cli.client import segment
from tollkeeper.cli.command import ColumnsOption, command
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.files.pdf import as_pdf
from tollkeeper.cli.files.whole import written_whole
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import chosen

COLUMNS = ("key_name", "key_id", "model", "requests", "input_tokens", "cached_tokens", "output_tokens", "cost")
CHARGED = ("model", "kind", "quantity", "price", "per", "price_version", "service_tier", "cost")
MonthOption = Annotated[
    str | None,
    typer.Option("--month", metavar="YYYY-MM", help="The month, such as 2026-11; in UTC.", show_default="this month"),
]
PdfOption = Annotated[
    Path | None, typer.Option("--pdf", metavar="FILE", help="Write a PDF there; needs tollkeeper[pdf].")
]


def add_statement(app: typer.Typer, tenant: Field) -> None:
    """Adds the command to its noun."""

    @command(app, "statement", tenant)
    def statement(
        session: Session,
        given: Given,
        month: MonthOption = None,
        pdf: PdfOption = None,
        columns: ColumnsOption = None,
    ) -> None:
        """Show what a tenant used in a month, and what that cost, by key and model, and by kind and price."""
        found = session.client.get(f"/tenants/{segment(given[tenant.name])}/statement", {"month": month})
        if pdf is not None:
            made = as_pdf(found)
            with written_whole(pdf) as file:
                file.write(made)
        if session.show.as_json:
            session.show.json(found)
            return
        session.show.note(
            f"{found['issuer']}: statement {found['number']} of {found['tenant_name'] or 'a deleted tenant'}"
        )
        session.show.note(f"{found['from']} to {found['to']}{'' if found['closed'] else ', which is not over yet'}\n")
        session.show.rows(found["lines"], chosen(COLUMNS, columns), "nothing was used")
        if found["charges"] is None:
            session.show.note("\nby kind and price: too many requests to add up here; export the month")
        elif columns is None:
            session.show.note("")
            session.show.rows(found["charges"], CHARGED, "nothing was charged")
        session.show.note(f"\ntotal: {found['total']['cost']} {found['currency']}")

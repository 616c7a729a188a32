"""A statement as a PDF: the sums that the API gives, on pages to print or to send on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tollkeeper.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from fpdf import FPDF

NO_FPDF = "the PDF library is not installed: pip install 'tollkeeper[pdf]', or leave out --pdf"
HEADINGS = ("Key", "Model", "Requests", "Input tokens", "Cached tokens", "Output tokens", "Cost")
COUNTS = ("requests", "input_tokens", "cached_tokens", "output_tokens")
CHARGED = ("Model", "Kind", "Quantity", "Price", "Price version", "Cost")
TOO_MANY = "By kind and price: too many requests to add up here; an export of the month has them by the hour."
CHARGED_WIDTHS = (70, 65, 35, 46, 25, 36)
WIDTHS = (62, 55, 24, 30, 30, 30, 46)  # millimetres of a landscape A4's 277
FONT = "Helvetica"  # one of those that each reader has, so that none is embedded
MAX_SHOWN = 120  # characters of a name, so that a line fits on a page; a key's id is below its name


def as_pdf(statement: Mapping[str, Any]) -> bytes:
    """The answer of the API's statement, laid out.  CommandFailed without the extra `pdf`."""
    try:
        from fpdf import FPDF
    except ImportError:
        raise CommandFailed(Exit.USAGE, NO_FPDF) from None
    pdf = FPDF(orientation="landscape", format="A4")
    pdf.set_title(printable(f"Statement {statement['number']}"))
    pdf.set_author(printable(statement["issuer"]))
    pdf.add_page()
    for size, text in _head(statement):
        pdf.set_font(FONT, size=size)
        pdf.multi_cell(0, text=printable(text), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    pdf.set_font(FONT, size=8)
    _table(pdf, WIDTHS, [HEADINGS, *_lines(statement)])
    pdf.ln(4)
    if statement["charges"] is None:
        pdf.multi_cell(0, text=TOO_MANY)
    elif statement["charges"]:
        _table(pdf, CHARGED_WIDTHS, [CHARGED, *map(_charge, statement["charges"])])
    return bytes(pdf.output())


def _table(pdf: "FPDF", widths: Sequence[int], rows: Iterable[Sequence[str]]) -> None:
    """The first row is a heading; all columns but two are numbers."""
    align = ("LEFT", "LEFT", *["RIGHT"] * (len(widths) - 2))
    with pdf.table(col_widths=tuple(widths), text_align=align, borders_layout="HORIZONTAL_LINES", padding=1) as table:
        for cells in rows:
            table.row(cells)


def printable(text: str) -> str:
    """With each character that the font lacks, or that is none to print, as its code: `\\u5317`."""
    plain = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[: MAX_SHOWN + 1]
    )
    shown = plain.encode("latin-1", "backslashreplace").decode("latin-1")
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."


def _head(statement: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Font sizes, and the texts of them."""
    over = "" if statement["closed"] else ", which is not over yet: this statement still grows"
    return [
        (10, statement["issuer"]),
        (16, f"Statement {statement['number']}"),
        (10, f"Tenant: {statement['tenant_name'] or 'deleted'} ({statement['tenant_id']})"),
        (10, f"From {statement['from']} to before {statement['to']}{over}"),
        (10, f"Made at {statement['made_at']}"),
        (12, f"Total: {statement['total']['cost']} {statement['currency']}"),
    ]


def _lines(statement: Mapping[str, Any]) -> list[tuple[str, ...]]:
    lines = [
        (f"{printable(line['key_name'] or 'deleted')}\n{printable(line['key_id'])}", printable(line["model"]), line)
        for line in statement["lines"]
    ]
    return [
        (key, model, *(str(of[name]) for name in COUNTS), f"{of['cost']} {statement['currency']}")
        for key, model, of in [*lines, ("Total", "", statement["total"])]
    ]


def _charge(of: Mapping[str, Any]) -> tuple[str, ...]:
    tier = f"in the tier {of['service_tier']}" if of["service_tier"] else ""
    long = f"above {of['above_input_tokens']} input tokens" if of["above_input_tokens"] else ""
    kind = ", ".join(filter(None, (of["kind"].replace("_", " "), tier, long)))
    price = "not known" if of["price"] is None else f"{of['price']} for {of['per']}"
    version = "" if of["price_version"] is None else str(of["price_version"])
    return printable(of["model"]), printable(kind), str(of["quantity"]), price, version, of["cost"]

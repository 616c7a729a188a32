"""A page of the ledger as a table to be written to a file: its own rows, or charges in the columns of FOCUS."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from admin.access.permission import ResourceKind
from admin.commands.exports.columns import Column, Table
from admin.commands.exports.focus import FOCUS_1_2, FOCUS_1_4, Context
from admin.commands.exports.ledger_rows import LEDGER_ROWS
from admin.commands.queries import names, prices, reports
from admin.commands.session import Session, query
from ledger.charges import Charge, charges_of
from ledger.cost import PricedRow
from ledger.sums import Interval, Selection
from tenancy.values.prices import Prices


class Schema(StrEnum):
    """Which columns there are, and what a row is."""

    FOCUS_1_4 = "focus-1.4"
    FOCUS_1_2 = "focus-1.2"
    ROWS = "rows"


COLUMNS: Mapping[Schema, Sequence[Column]] = {
    Schema.FOCUS_1_4: FOCUS_1_4,
    Schema.FOCUS_1_2: FOCUS_1_2,
    Schema.ROWS: LEDGER_ROWS,
}


@dataclass(frozen=True, slots=True)
class Exported:
    """`last`: the id behind which the next page begins; "" if this is the last one."""

    table: Table
    last: str


@query(ResourceKind.USAGE)
async def export(
    session: Session, schema: Schema, selection: Selection, interval: Interval, limit: int, after: str = ""
) -> Exported:
    """Of at most `limit` requests.  The table's rows are made when they are read.  A tenant must exist, or have used
    something once."""
    found = await session.ports.rows.page(selection, interval, limit + 1, after)
    if not found and selection.tenant_id is not None:
        await reports.check_tenant(session, selection.tenant_id)
    page = found[:limit]
    records: Iterable[object] = page
    if schema is not Schema.ROWS:
        records = _charges(page, await prices.of_versions(session, (row.price_version for row in page)))
    table = Table(schema, COLUMNS[schema], records, await _context(session, page))
    return Exported(table, page[-1].usage.id if len(found) > limit else "")


def _charges(rows: Sequence[PricedRow], prices: Mapping[int, Prices]) -> Iterator[Charge]:
    """When they are read: by a thread, since it takes a while."""
    yield from charges_of(rows, prices)


async def _context(session: Session, rows: Sequence[PricedRow]) -> Context:
    tenants, keys = (sorted({getattr(row.usage, name) for row in rows}) for name in ("tenant_id", "key_id"))
    configured = session.ports.configured
    called = await asyncio.gather(names.of_tenants(session, tenants), names.of_keys(session, keys))
    return Context(configured.issuer, configured.currency, *called)

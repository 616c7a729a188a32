"""What a tenant used in a month and what that cost, key by key and model by model, and kind by kind and price by
price: the sums of the ledger."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from admin.access.permission import ResourceKind
from admin.commands.directory import TENANTS
from admin.commands.exports.focus import statement_id
from admin.commands.queries import names, prices, reports
from admin.commands.refusals import invalid
from admin.commands.session import Session, query
from ledger.by_price import PriceLine, lines_of, steps_of
from ledger.ledger import LedgerUnavailable
from ledger.sums import Figures, Interval, Line, Selection

MONTH = re.compile(r"(20[2-9][0-9])-(0[1-9]|1[0-2])")
GROUPED = ("key_id", "model")
MAX_LINES = 5000
PRICES_SECONDS = 1.0  # for all charges: the whole answer has 1.8


@dataclass(frozen=True, slots=True)
class Statement:
    """`number` is the `InvoiceId` of exports.  `closed`: the month is over at `made_at`; until then it grows.  The
    lines' sums are `total`, to the last decimal, and so are those of `charges`; None: there are too many requests to
    add these up in time.  `key_names` by id; deleted ones are missing."""

    number: str
    tenant_id: str
    tenant_name: str | None
    issuer: str
    currency: str
    interval: Interval
    made_at: datetime
    closed: bool
    lines: Sequence[Line]
    charges: Sequence[PriceLine] | None
    total: Figures
    key_names: dict[str, str]


@query(ResourceKind.USAGE)
async def statement(session: Session, tenant_id: str, month: str, now: datetime) -> Statement:
    """Of a month such as 2026-11, in UTC.  Refused if it has not begun, or has more than MAX_LINES lines."""
    tenant_id = TENANTS.id(tenant_id)
    since, until = interval = month_of(month)
    if since > now:
        raise invalid(("month", "has not begun yet"))
    selection, configured = Selection(tenant_id), session.ports.configured
    lines, whole, charges = await asyncio.gather(
        reports.usage(session, selection, [interval], GROUPED, MAX_LINES + 1),
        reports.usage(session, selection, [interval]),
        _charges(session, selection, interval),
    )
    if len(lines) > MAX_LINES:
        raise invalid(("month", f"has more than {MAX_LINES} keys and models: export it instead"))
    called = await names.of_tenants(session, [tenant_id])
    keys = await names.of_keys(session, sorted({line.group[0] for line in lines}))
    return Statement(
        statement_id(tenant_id, since),
        tenant_id,
        called.get(tenant_id),
        configured.issuer,
        configured.currency,
        interval,
        now,
        until <= now,
        lines,
        charges,
        whole[0].figures if whole else Figures(),
        dict(keys),
    )


async def _charges(session: Session, selection: Selection, interval: Interval) -> Sequence[PriceLine] | None:
    """The charges, in two queries if some prices have tiers.  None if there are too many lines, or it takes too
    long."""
    rows, steps = session.ports.rows, list[int]()
    try:
        async with asyncio.timeout(PRICES_SECONDS):
            found = await rows.at_prices(selection, interval, steps, MAX_LINES + 1)
            known = await prices.of_versions(session, (each.version for each in found))
            if steps := steps_of(known.values()):
                found = await rows.at_prices(selection, interval, steps, MAX_LINES + 1)
                known = await prices.of_versions(session, (each.version for each in found))
    except (TimeoutError, LedgerUnavailable):
        return None
    return None if len(found) > MAX_LINES else lines_of(found, known, steps)


def month_of(text: str) -> Interval:
    """In UTC; Refused if that is no month."""
    found = MONTH.fullmatch(text)
    if found is None:
        raise invalid(("month", "must be a month such as 2026-11"))
    start = datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)
    return start, (start + timedelta(days=31)).replace(day=1)

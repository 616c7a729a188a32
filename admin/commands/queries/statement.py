"""What a tenant used in a month and what that cost, key by key and model by model: the sums of the ledger's reports."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from admin.access.permission import ResourceKind
from admin.commands.directory import TENANTS
from admin.commands.exports.focus import statement_id
from admin.commands.queries import names, reports
from admin.commands.refusals import invalid
from admin.commands.session import Session, query
from ledger.sums import Figures, Interval, Line, Selection

MONTH = re.compile(r"(20[2-9][0-9])-(0[1-9]|1[0-2])")
GROUPED = ("key_id", "model")
MAX_LINES = 5000


@dataclass(frozen=True, slots=True)
class Statement:
    """`number` is the `InvoiceId` of exports.  `closed`: the month is over at `made_at`; until then it grows.  The
    lines' sums are `total`, to the last decimal.  `key_names` by id; deleted ones are missing."""

    number: str
    tenant_id: str
    tenant_name: str | None
    issuer: str
    currency: str
    interval: Interval
    made_at: datetime
    closed: bool
    lines: Sequence[Line]
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
    lines = await reports.usage(session, selection, [interval], GROUPED, MAX_LINES + 1)
    if len(lines) > MAX_LINES:
        raise invalid(("month", f"has more than {MAX_LINES} keys and models: export it instead"))
    whole = await reports.usage(session, selection, [interval])
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
        whole[0].figures if whole else Figures(),
        dict(keys),
    )


def month_of(text: str) -> Interval:
    """In UTC; Refused if that is no month."""
    found = MONTH.fullmatch(text)
    if found is None:
        raise invalid(("month", "must be a month such as 2026-11"))
    start = datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)
    return start, (start + timedelta(days=31)).replace(day=1)

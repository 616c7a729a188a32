"""/console: whether anything is wrong, at a glance; and one field that finds what an id or a name belongs to."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from admin.commands import keys
from admin.commands.buckets import Buckets
from admin.commands.directory import ID, KEYS, TENANTS
from admin.commands.queries import reports
from admin.commands.queries.glance import Glance, glance
from admin.commands.refusals import Reason, Refused
from admin.console.chart import Chart, stacked
from admin.console.cookies import PREFIX
from admin.console.visit import Routes, Visit
from admin.console.words import compact
from ledger.sums import Figures, Selection
from tenancy.values.secret import PORTAL_PREFIX, SECRET_PREFIX, prefix_of, without_secrets

HOURS = timedelta(hours=24)

routes = Routes()


@routes.get(PREFIX)
async def overview(visit: Visit) -> Response:
    found, chart = await asyncio.gather(glance(visit.session), _tokens(visit))
    return visit.page("overview.html", title="Overview", section="overview", chart=chart, **_shown(found))


@routes.get(f"{PREFIX}/live")
async def overview_now(visit: Visit) -> Response:
    """The part of the page that refreshes itself."""
    return visit.page("parts/glance.html", **_shown(await glance(visit.session)))


@routes.get(f"{PREFIX}/find")
async def find(visit: Visit) -> Response:
    """Leads to the tenant with this id or name, the key with this id or prefix, or the request with this id."""
    asked = visit.query("q").strip()
    return RedirectResponse(await _place_of(visit, asked) if asked else PREFIX, 303)


async def _place_of(visit: Visit, asked: str) -> str:
    for kind, path in ((TENANTS, "tenants"), (KEYS, "keys")):
        if ID.fullmatch(asked) and await _is_there(visit, kind, asked):
            return f"{PREFIX}/{path}/{quote(asked)}"
    if asked.startswith((SECRET_PREFIX, PORTAL_PREFIX)) and ID.fullmatch(asked):
        # Never more than the prefix: a whole secret must not be in an address.
        found = await keys.page(visit.session, 2, prefix=prefix_of(asked))
        return f"{PREFIX}/keys/{found[0].id}" if len(found) == 1 else f"{PREFIX}/tenants"
    named = await TENANTS.page(visit.session, 1, None, asked)
    if named:
        return f"{PREFIX}/tenants/{quote(named[0].id)}"
    return f"{PREFIX}/requests?id={quote(without_secrets(asked), safe='')}"


async def _is_there(visit: Visit, kind: object, id: str) -> bool:
    try:
        await kind.get(visit.session, id)  # type: ignore[attr-defined]
    except Refused as refused:
        if refused.refusal.reason is Reason.NOT_FOUND:
            return False
        raise
    return True


async def _tokens(visit: Visit) -> Chart | None:
    """The tokens of the last day, by the hour."""
    now = datetime.now(UTC)
    buckets = Buckets("hour").of((now - HOURS, now))
    lines = await reports.usage(visit.session, Selection(), [each for _, each in buckets], (), len(buckets))
    sums = {line.slot: line.figures for line in lines}
    of = [sums.get(slot, Figures()) for slot in range(len(buckets))]
    series = [("Input", [each.input_tokens for each in of]), ("Output", [each.output_tokens for each in of])]
    return stacked([start for start, _ in buckets], series, compact)


def _shown(found: Glance) -> dict[str, Any]:
    most = max((each.requests for each in found.refusals), default=1)
    return {"glance": found, "most": most}

"""/console/requests: one request by its id: why it was let through or refused, what it used, what it cost."""

from decimal import Decimal
from typing import Any

from starlette.responses import Response

from admin.commands.queries.denied import denial_reason
from admin.commands.queries.explain import SOURCES, Explained, Explanation, advice_of, decision_of, explain, tier_of
from admin.commands.refusals import Reason, Refused
from admin.console.cookies import PREFIX
from admin.console.visit import Routes, Visit
from ledger.cost import UNIT_DECIMALS
from ledger.row import load_parts

routes = Routes()
NOTHING = Explanation(())


@routes.get(f"{PREFIX}/requests")
async def requests(visit: Visit) -> Response:
    asked = visit.query("id").strip()
    found = await _explained(visit, asked) if asked.isprintable() else NOTHING
    shown = [_shown(each) for each in found.requests]
    denials = [(each, denial_reason(each.reason), found.names.get(each.tenant_id)) for each in found.denials]
    status = 404 if asked and not shown and not denials else 200
    return visit.page(
        "requests.html", status, title="Requests", section="requests", asked=asked, requests=shown, denials=denials
    )


async def _explained(visit: Visit, asked: str) -> Explanation:
    """NOTHING if there is no such request."""
    if not asked:
        return NOTHING
    try:
        return await explain(visit.session, asked)
    except Refused as refused:
        if refused.refusal.reason is Reason.NOT_FOUND:
            return NOTHING
        raise


def _shown(of: Explained) -> dict[str, Any]:
    row = of.row.usage
    return {
        "row": row,
        "decision": decision_of(row),
        "advice": advice_of(row),
        "refused": row.admission == "refused",
        "source": SOURCES.get(row.usage_source, row.usage_source),
        "parts": load_parts(row.parts),
        "cost": Decimal(sum(of.row.cost)).scaleb(-UNIT_DECIMALS),
        "tier": tier_of(of),
        "bill": of,
    }

"""/console/tenants/…/statement: what a tenant used in a month, and what that cost; laid out for paper too."""

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from admin.commands.directory import TENANTS
from admin.commands.queries.statement import MONTH, statement
from admin.console.cookies import PREFIX
from admin.console.visit import Routes, Visit
from admin.console.words import text_of
from ledger.by_price import PriceLine

routes = Routes()


@routes.get(f"{PREFIX}/tenants/{{id}}/statement")
async def of_month(visit: Visit) -> Response:
    """The present month, unless the query names another."""
    tenant = await TENANTS.get(visit.session, visit.path("id"))
    now = datetime.now(UTC)
    found = await statement(visit.session, tenant.id, visit.query("month", f"{now:%Y-%m}"), now)
    since, until = found.interval
    before = f"{since - timedelta(days=1):%Y-%m}"
    shown: dict[str, Any] = {
        "of": found,
        "rows": [
            (found.key_names.get(line.group[0]), *line.group, line.figures, text_of(line.figures.cost))
            for line in found.lines
        ],
        "charges": None if found.charges is None else [(each, *_shown(each)) for each in found.charges],
        "total_cost": text_of(found.total.cost),
        "before": before if MONTH.fullmatch(before) else None,
        "after": f"{until:%Y-%m}" if found.closed else None,
    }
    return visit.page(
        "tenants/statement.html", title=f"Statement {found.number}", section="tenants", tenant=tenant, **shown
    )


def _shown(of: PriceLine) -> tuple[str, str, str]:
    """What was charged for, at which price, and the cost."""
    rate = of.rate
    tier = f"in the tier {rate.service_tier}" if rate.service_tier else ""
    long = f"above {rate.above_input_tokens:,} input tokens" if rate.above_input_tokens else ""
    what = ", ".join(filter(None, (rate.kind.replace("_", " "), tier, long)))
    price = "not known" if rate.price is None else f"{text_of(rate.price)} for {rate.per:,}"
    return what, price, text_of(of.cost)

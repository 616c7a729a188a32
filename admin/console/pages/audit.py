"""/console/audit: who changed what, when and from where, newest first."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from admin.commands.queries import reports
from admin.console.cookies import PREFIX
from admin.console.visit import Routes, Visit
from tenancy.directory.audit import AuditEntry, AuditFilter, Snapshot

MANY = 50
WORDS = ("actor", "action", "type", "target")
FILTERS = (*WORDS, "from", "to")
# Fields that change along with everything else.
NOISE = ("updated_at", "version")
TYPES = ("tenant", "api_key", "user", "limit", "policy", "model", "group", "mcp_server", "admin_token")
OTHERS = ("disable_api_key", "enable_api_key", "rotate_api_key", "reset_budget", "adjust_budget", "mend_budgets")
ACTIONS = (*(f"{verb}_{what}" for what in TYPES for verb in ("create", "update", "delete")), *OTHERS)
# Pages that show what a change was about, by its type.
PLACES = {
    "tenant": "tenants",
    "api_key": "keys",
    "model": "models",
    "limit": "limits",
    "policy": "policies",
    "group": "groups",
    "organization": "organizations",
}

routes = Routes()


@routes.get(f"{PREFIX}/audit")
async def audit(visit: Visit) -> Response:
    asked = {name: visit.query(name).strip() for name in FILTERS}
    words = [text if text and text.isprintable() else None for name, text in asked.items() if name in WORDS]
    actor, action, target_type, target_id = words
    since, until = _day(asked["from"]), _day(asked["to"], timedelta(days=1))
    only = AuditFilter(actor, action, target_type, target_id, since, until)
    before = visit.query("before")
    before_id = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    found = await reports.audit(visit.session, MANY + 1, before_id or None, only)
    entries = [(each, changes(each)) for each in found[:MANY]]
    more = str(found[MANY - 1].id) if len(found) > MANY else ""
    shown: dict[str, Any] = {"entries": entries, "asked": asked, "more": more, "actions": ACTIONS, "places": PLACES}
    return visit.page("audit.html", title="Audit", section="audit", **shown)


def changes(of: AuditEntry) -> list[tuple[str, str, str]]:
    """The fields that differ, with their values before and after; for what was created or deleted, all fields with a
    value."""
    before, after = _plain(of.before), _plain(of.after)
    names = [name for name in {**before, **after} if name not in NOISE]
    return [
        (name, _text(before.get(name)), _text(after.get(name))) for name in names if before.get(name) != after.get(name)
    ]


def _plain(snapshot: Snapshot | None) -> dict[str, Any]:
    return {name: each for name, each in (snapshot or {}).items() if each not in (None, "", [], {})}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _day(text: str, later: timedelta = timedelta()) -> datetime | None:
    """A day as date fields give it, in UTC; None for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + later
    except (ValueError, OverflowError):
        return None

"""How the console writes numbers, times, limits and reasons.  Pure; the filters of its templates."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from admin.commands.queries.denied import reason_of
from admin.commands.queries.glance import Finding
from admin.commands.rules import amount_of, weight_of
from tenancy.directory.models import PriceTier
from tenancy.directory.tenants import Tenant
from tenancy.values.limit import FULL_WEIGHT, Kind, Unit

DASH = "–"
SPANS = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"), (1, "second", "seconds"))
UNITS: Mapping[str, str] = {each: each.replace("_", " ") for each in Unit}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

FINDINGS: Mapping[str, tuple[str, str]] = {
    "no_sidecar": ("No sidecar reports", "Requests are refused with 503 until one runs: start `tollkeeper sidecar`."),
    "silent": ("{count} sidecar{s} silent for some seconds", "{about} is the first; it may hang, or be cut off."),
    "no_redis": ("{count} sidecar{s} cannot reach Redis", "{about} is the first; its failure mode decides meanwhile."),
    "versions": ("Sidecars of different versions", "{about}: fine during an upgrade, not for long."),
    "undecided": ("{count} request{s} answered with 503", "In the last 15 minutes Tollkeeper could not decide."),
    "full": (
        "The service is at capacity",
        "All {count} requests that may be in flight are: others wait or are refused.",
    ),
    "crowded": ("{count} request{s} refused for want of room", "More at once than capacity or a tenant's slots allow."),
    "queued": ("{count} request{s} queued", "The first has waited for {about}; weights decide whose turn is next."),
    "none_left": ("{count} budget{s} spent", "{about} is refused until time or an adjustment gives some back."),
}
# Whose bound it is that a sidecar keeps to, by the names under which it refuses.
KEPT_BOUNDS: Mapping[str, str] = {
    "": "none",
    "sidecar:in_flight": "that of each sidecar",
    "all:in_flight": "its part of that of all",
}
DONE: Mapping[str, str] = {
    "tenant-created": "The tenant is there. Next: a key for it.",
    "tenant-saved": "Saved.",
    "tenant-deleted": "The tenant is deleted, with its keys. Its usage stays in the ledger.",
    "key-saved": "Saved.",
    "key-disabled": "The key is disabled: it is refused with 403 until it is enabled again.",
    "key-enabled": "The key works again.",
    "key-revoked": "The key is revoked: within a second no sidecar accepts it.",
    "budget-reset": "The budget is full again.",
    "budget-adjusted": "The budget is adjusted.",
    "limit-created": "The limit is in force.",
    "limit-free": "The limit is in force, but no registered model has prices: nothing counts against it until one has.",
    "limit-deleted": "The limit is gone.",
    "model-saved": "The model is saved.",
    "model-first": "The model is saved. It is the first: from now on a request must name one. "
    "What is not registered has no price.",
    "model-deleted": "The model is taken out of the registry.",
    "server-saved": "The MCP server is saved: it holds within a second for whom it is granted to.",
    "server-deleted": "The MCP server is taken out of the registry.",
    "capacity-saved": "The bounds are set: sidecars keep to them within a second.",
    "policy-created": "The policy is there. Next: its limits.",
    "policy-saved": "The policy is saved: it holds within a second for every tenant that refers to it.",
    "policy-deleted": "The policy is deleted.",
    "organization-saved": "The organization is saved.",
    "organization-deleted": "The organization is deleted, with its accounts.",
    "account-saved": "Saved: it holds at once here, and within 5 seconds elsewhere.",
    "account-deleted": "The account is deleted, and its sessions have ended.",
    "invitation-withdrawn": "The invitation is withdrawn.",
    "webhook-saved": "The webhook is saved.",
    "webhook-tried": "A test is on its way: look again in a second what became of it.",
    "webhook-sent-again": "The event is on its way once more, under the id that it has.",
    "webhook-deleted": "The webhook is deleted, with what waited to be sent.",
    "group-saved": "The group is saved.",
    "group-deleted": "The group is deleted.",
}


def number(value: int | Decimal | float | None) -> str:
    """`1,234,567`."""
    return DASH if value is None else f"{value:,}"


def compact(value: float) -> str:
    """`1.2M`; exact below 10,000."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if abs(value) >= size and (size > 10**3 or abs(value) >= 10**4):
            return f"{value / size:.3g}{letter}"
    return f"{value:,.0f}"


def money(value: Decimal | float) -> str:
    """Two decimals, or as many as it takes to show that it is not nothing."""
    amount = Decimal(value)
    if amount == 0 or abs(amount) >= Decimal("0.995"):
        return f"{amount:,.2f}"
    return f"{amount:.3g}" if abs(amount) >= Decimal("0.0001") else f"{amount:.1e}"


def percent(part: float) -> str:
    return f"{part * 100:.0f}%" if part >= 0.1 or part == 0 else f"{part * 100:.1f}%"


def change(now: Decimal, before: Decimal) -> str:
    """`+12%` against before; nothing where there was nothing before."""
    return f"{(now - before) / before * 100:+.0f}%" if before else ""


def when(time: datetime | None) -> str:
    """`27 Nov 2026, 12:04 UTC`."""
    if time is None:
        return DASH
    at = time.astimezone(UTC)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


def ago(time: datetime | None, now: datetime | None = None) -> str:
    """`3 minutes ago`, `in 2 days`."""
    if time is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    if abs(seconds) < 2:
        return "just now"
    return f"{duration(seconds)} ago" if seconds > 0 else f"in {duration(-seconds)}"


def duration(seconds: float) -> str:
    """In the widest unit that it fills: `3 minutes`."""
    for size, one, many in SPANS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {one if count == 1 else many}"
    return "0 seconds"


def window(limit: Any) -> str:
    """Over which time a limit counts: `a minute`, `each calendar month in Europe/Paris`."""
    if limit.calendar is not None:
        return f"each {limit.calendar} in {limit.time_zone}"
    size, one, many = next(each for each in SPANS if limit.window_seconds % each[0] == 0)
    count = limit.window_seconds // size
    span = f"{count} {many}" if count > 1 else one
    if limit.kind == Kind.SLIDING:
        return f"in any {span}"
    if limit.kind == Kind.FIXED:
        return f"in each window of {count} {one if count == 1 else many}"
    article = "an" if one == "hour" else "a"
    return f"{article} {one}" if count == 1 else f"per {span}"


def amount(value: int, unit: str) -> str:
    """`500,000 tokens`; of money `12.50`."""
    shown = amount_of(Unit(unit), value)
    if unit == Unit.COST:
        return money(Decimal(shown))
    return f"{shown:,} {UNITS[unit] if value != 1 else UNITS[unit].removesuffix('s')}"


def rule(limit: Any) -> str:
    """A limit in words: `at most 500,000 tokens a minute`."""
    spent = "spent " if limit.unit == Unit.COST else ""
    said = f"at most {amount(limit.amount, limit.unit)} {spent}{window(limit)}"
    if limit.kind == Kind.BUCKET and limit.calendar is None:
        said += ", refilled steadily"
    for name, weight in (("cached", limit.cached_weight), ("reasoning", limit.reasoning_weight)):
        if weight != FULL_WEIGHT:
            said += f"; a {name} token counts as {weight_of(weight):g}"
    return said + ("; only measured" if limit.shadow else "")


def reason(denied_by: str) -> str:
    """Why a request was refused; limits have their own names."""
    if found := reason_of(denied_by):
        return found.why[:1].upper() + found.why[1:]
    return f"Limit {denied_by}" if denied_by else "Not said"


def bound(name: str) -> str:
    return KEPT_BOUNDS.get(name, name)


def wait(seconds: float) -> str:
    """`2.1 s`, `3 minutes`."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def text_of(value: object) -> str:
    """The text of a form's field."""
    if isinstance(value, bool):
        return str(value).lower()
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def tier(of: PriceTier) -> str:
    """Which requests it is for: `of the service tier batch, above 200,000 input tokens`."""
    service = f"of the service tier {of.service_tier}" if of.service_tier else ""
    long = f"above {of.above_input_tokens:,} input tokens" if of.above_input_tokens is not None else ""
    return ", ".join(filter(None, (service, long)))


def called(tenant: Tenant) -> str:
    """The tenant's display name, or its name."""
    return tenant.display_name or tenant.name


def finding(of: Finding) -> tuple[str, str]:
    title, text = FINDINGS[of.what]
    about = wait(of.seconds) if of.what == "queued" else of.about
    filled = {"count": f"{of.count:,}", "s": "" if of.count == 1 else "s", "about": about}
    return title.format(**filled), text.format(**filled)


def done(name: str) -> str:
    return DONE.get(name, "")


OF_FIGURES = (number, compact, money, percent, amount)
OF_TIMES = (when, ago, duration, wait)
OF_NAMES = (rule, reason, bound, tier, called, finding, done)
FILTERS: dict[str, Callable[..., Any]] = {
    "against": change,
    **{each.__name__: each for each in (*OF_FIGURES, *OF_TIMES, *OF_NAMES)},
}

"""/console/usage: what was used and what it cost, over time and by tenant, key, user or model; as CSV too."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from admin.access.permission import Action, Resource, ResourceKind
from admin.commands.buckets import Buckets
from admin.commands.queries import names, reports
from admin.commands.session import Session
from admin.console.chart import Chart, stacked
from admin.console.cookies import PREFIX
from admin.console.soon import SECONDS, Soon
from admin.console.visit import Routes, Visit
from admin.console.words import compact, money
from admin.gate.sheet import sheet
from ledger.sums import FIGURES, Figures, Group, Interval, Line, Selection

routes = Routes()


class Period(NamedTuple):
    """How far back, in buckets of which width, and what people call it."""

    back: timedelta
    bucket: str
    says: str


class Measure(NamedTuple):
    """A figure to be drawn, how it is written, and what people call it."""

    of: Callable[[Figures], float]
    shown: Callable[[float], str]
    says: str


PERIODS = {
    "1h": Period(timedelta(hours=1), "minute", "hour"),
    "24h": Period(timedelta(hours=24), "hour", "24 hours"),
    "7d": Period(timedelta(days=7), "hour", "7 days"),
    "30d": Period(timedelta(days=30), "day", "30 days"),
    "90d": Period(timedelta(days=90), "day", "90 days"),
}
MEASURES = {
    "tokens": Measure(lambda of: of.input_tokens + of.output_tokens, compact, "Tokens"),
    "cost": Measure(lambda of: float(of.cost), money, "Cost"),
    "requests": Measure(lambda of: of.requests, compact, "Requests"),
    "refused": Measure(lambda of: of.refused, compact, "Refused"),
}
SAID: Mapping[str, Mapping[str, Period | Measure]] = {"periods": PERIODS, "measures": MEASURES}
GROUPS = {
    "tenant": ("tenant_id",),
    "key": ("tenant_id", "key_id"),
    "user": ("tenant_id", "user_id"),
    "model": ("model",),
}
OF = {"tenant": "tenant_id", "key": "key_id", "user": "user_id", "model": "model"}  # parameters that narrow it down
NEXT = {"tenant": "key", "key": "model", "user": "model", "model": "tenant"}  # what a row leads to
MAX_LINES = 10_000  # of the CSV
WAIT_SECONDS = 1.2  # how long the page waits for the part that may come later
ROWS = 50  # of the table
DRAWN = 5  # series that are drawn; the others are added up into one


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is to show.  What it cannot show is taken as if it had not been asked for."""

    period: str
    by: str
    measure: str
    of: Mapping[str, str]

    @property
    def selection(self) -> Selection:
        return _selection({OF[name]: text for name, text in self.of.items()})

    def interval(self, now: datetime) -> Interval:
        return now - PERIODS[self.period].back, now

    def address(self, page: str = "usage", **changes: str) -> str:
        """The address of the same page with some parameters changed."""
        asked = {"period": self.period, "by": self.by, "measure": self.measure, **self.of, **changes}
        return f"{PREFIX}/{page}?{urlencode({name: text for name, text in asked.items() if text})}"


def asked(visit: Visit) -> Asked:
    def one(name: str, known: Mapping[str, object], default: str) -> str:
        given = visit.query(name)
        return given if given in known else default

    of = {name: text for name in OF if (text := visit.query(name)) and text.isprintable()}
    by = one("by", GROUPS, "key" if "tenant" in of else "tenant")
    return Asked(one("period", PERIODS, "7d"), by, one("measure", MEASURES, "tokens"), of)


@dataclass(frozen=True, slots=True)
class Found:
    """What the page shows of the groups: the largest, what people call them, and their chart."""

    lines: Sequence[Line]
    names: Mapping[Group, str]
    chart: Chart | None


@routes.get(f"{PREFIX}/usage")
async def usage(visit: Visit) -> Response:
    want = asked(visit)
    whole, found = await asyncio.gather(_whole(visit, want), _found(visit, want))
    shown: dict[str, Any] = {"whole": whole, "periods": PERIODS, **_shown(want, found)}
    shown |= {f"{name}_said": [(key, each.says) for key, each in kind.items()] for name, kind in SAID.items()}
    shown["groups_said"] = [(by, f"by {by}") for by in GROUPS]
    return visit.page("usage.html", title="Usage", section="usage", **shown)


@routes.get(f"{PREFIX}/usage/groups")
async def usage_of_groups(visit: Visit) -> Response:
    """The part of the page that may come later."""
    want = asked(visit)
    found = await _found(visit, want, WAIT_SECONDS)
    return visit.page("parts/usage.html", periods=PERIODS, **_shown(want, found))


def _shown(want: Asked, found: Found | None) -> dict[str, Any]:
    if found is None:
        return {"want": want, "found": None}
    of, says = MEASURES[want.measure].of, MEASURES[want.measure].says
    most = max((of(line.figures) for line in found.lines), default=0)
    rows = [(line, found.names[line.group], of(line.figures) / most if most else 0) for line in found.lines]
    links = {line.group: _link(want, line.group) for line in found.lines}
    return {"want": want, "found": found, "rows": rows, "links": links, "says": says, "all": ROWS}


async def _whole(visit: Visit, want: Asked) -> Figures:
    lines = await reports.usage(visit.session, want.selection, [want.interval(datetime.now(UTC))])
    return lines[0].figures if lines else Figures()


async def _found(visit: Visit, want: Asked, seconds: float = SECONDS) -> Found | None:
    """None if adding up takes longer than `seconds`."""
    with visit.session.permitted(Action.READ, Resource(ResourceKind.USAGE, visit.session.principal.organization)):
        soon: Soon[Found] = visit.request.app.state.usage
        key = (visit.session.principal.organization, want.address())
        return await soon.get(key, lambda: _find(visit, want), seconds)


async def _find(visit: Visit, want: Asked) -> Found:
    now = datetime.now(UTC)
    lines = await reports.largest(
        visit.session, want.selection, want.interval(now), GROUPS[want.by], want.measure, ROWS
    )
    called = await _names(visit, want, lines)
    return Found(lines, called, await _chart(visit.session, want, lines[:DRAWN], called, now))


@routes.get(f"{PREFIX}/usage.csv")
async def usage_as_csv(visit: Visit) -> Response:
    """All groups with their figures, at most MAX_LINES."""
    want = asked(visit)
    group_by = GROUPS[want.by]
    lines = await reports.usage(visit.session, want.selection, [want.interval(datetime.now(UTC))], group_by, MAX_LINES)
    called = await names.of_groups(visit.session, group_by, [line.group for line in lines])
    rows = [
        {**dict(zip(group_by, line.group, strict=True)), **of, **_figures(line.figures)}
        for line, of in zip(lines, called, strict=True)
    ]
    return sheet(f"usage-by-{want.by}-{want.period}", (*group_by, *FIGURES, "cost", *names.columns(group_by)), rows)


def _link(want: Asked, group: Group) -> str:
    """Leads from a tenant to its keys, from a key, user or model to its other dimensions."""
    texts = dict(zip(GROUPS[want.by], group, strict=True))
    of = {name: texts[column] for name, column in OF.items() if column in texts}
    return want.address(**of, by=NEXT[want.by])


def _figures(of: Figures) -> dict[str, Any]:
    return {name: getattr(of, name) for name in (*FIGURES, "cost")}


async def _names(visit: Visit, want: Asked, lines: Sequence[Line]) -> dict[Group, str]:
    """What people call each group."""
    group_by, groups = GROUPS[want.by], [line.group for line in lines]
    called = await names.of_groups(visit.session, group_by, groups)
    without = "no model named" if want.by == "model" else f"no {want.by}"
    return {
        group: each.get(f"{want.by}_name") or group[-1] or without for group, each in zip(groups, called, strict=True)
    }


async def _chart(
    session: Session, want: Asked, largest: Sequence[Line], names: Mapping[Group, str], now: datetime
) -> Chart | None:
    """The largest groups and the rest, over time."""
    buckets = Buckets(PERIODS[want.period].bucket).of(want.interval(now))
    intervals = [each for _, each in buckets]
    of = MEASURES[want.measure].of

    async def series(selection: Selection) -> list[float]:
        sums = {
            line.slot: of(line.figures)
            for line in await reports.usage(session, selection, intervals, (), len(intervals))
        }
        return [sums.get(slot, 0) for slot in range(len(intervals))]

    whole, *each = await asyncio.gather(
        series(want.selection), *(series(_narrowed(want, line.group)) for line in largest)
    )
    rest = [max(0, total - sum(part[at] for part in each)) for at, total in enumerate(whole)]
    drawn = [(names[line.group], values) for line, values in zip(largest, each, strict=True)]
    if len(drawn) == DRAWN and any(rest):
        drawn.append(("others", rest))
    return stacked([start for start, _ in buckets], drawn, MEASURES[want.measure].shown)


def _selection(of: Mapping[str, str]) -> Selection:
    """The selection, by columns."""
    return Selection(of.get("tenant_id"), of.get("key_id"), of.get("user_id"), of.get("model"))


def _narrowed(want: Asked, group: Group) -> Selection:
    fields = {**dict(want.selection.items()), **dict(zip(GROUPS[want.by], group, strict=True))}
    return _selection(fields)

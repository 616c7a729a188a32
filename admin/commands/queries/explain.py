"""Why a request was let through or refused, and what it cost: its row with its bill recomputed, or its denial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from admin.access.permission import ResourceKind
from admin.commands.queries.denied import RAISE, reason_of
from admin.commands.session import Session, query
from ledger.bill import Item, bill_of
from ledger.cost import PricedRow, cost_of
from ledger.denials import Denial
from ledger.requests import NoSuchRequest
from ledger.row import UsageRow, UsageSource
from tenancy.directory.price_history import PriceVersion
from tenancy.values.admission import Admission
from tenancy.values.lease_id import is_lease_id, lease_time
from tenancy.values.prices import Step

MAX_ROWS = 20
SOURCES: Mapping[str, str] = {
    UsageSource.REPORTED: "the model server reported it",
    UsageSource.ESTIMATED: "estimated, as the report was missing, incomplete or not believed",
    UsageSource.RESERVED: "the request's end was never seen, so what was reserved stands for it",
    UsageSource.NONE: "nothing was used",
}
ADMISSIONS: Mapping[str, str] = {
    Admission.FAST: "admitted",
    Admission.QUEUED: "admitted",
    Admission.LOCAL: "admitted by this sidecar's own rate, as Redis was away",
    Admission.UNMETERED: "admitted uncounted, as Redis was away",
    Admission.CACHED: "answered from the response cache",
}
NOT_OURS = "Tollkeeper let it through: {} is what the model server answered, or Envoy if it had no answer from there."


@dataclass(frozen=True, slots=True)
class Explained:
    """A row with its bill.  `prices` None: the model had none, or they were not kept then; `step`: the tier that held,
    None if none did.  `recomputed`: whether the bill is, to the last decimal, what the row says."""

    row: PricedRow
    prices: PriceVersion | None = None
    step: Step | None = None
    items: Sequence[Item] = ()
    recomputed: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of an id: what was decided about budgets, and what was refused before that.  `names`: of tenants, by id."""

    requests: Sequence[Explained]
    denials: Sequence[Denial] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@query(ResourceKind.USAGE)
async def explain(session: Session, label: str) -> Explanation:
    """The requests that came with this `x-request-id`, newest first, at most MAX_ROWS; or that with this lease id."""
    requests, rows = session.ports.requests, list[PricedRow]()
    if is_lease_id(label):
        found = await requests.by_id(label, lease_time(label))
        rows += [found] if found else []
    if label:
        rows += [row for row in await requests.by_label(label, MAX_ROWS) if row.usage.id != label]
    denials = await session.ports.denials.by_label(label, MAX_ROWS) if label else ()
    if not rows and not denials:
        raise NoSuchRequest(label)
    tenants = {each.tenant_id for each in denials if each.tenant_id}
    names = await session.ports.names.of_tenants([*tenants]) if tenants else {}
    return Explanation([await _explained(session, row) for row in rows], denials, names)


@query(ResourceKind.MODEL)
async def history(session: Session, model_id: str, limit: int, before: int | None = None) -> Sequence[PriceVersion]:
    """The price sets of a model, newest first."""
    return await session.ports.price_history.of_model(model_id, limit, before)


async def _explained(session: Session, row: PricedRow) -> Explained:
    version = row.price_version
    found = None if version is None else (await session.ports.price_history.versions([version])).get(version)
    if found is None:
        return Explained(row)
    prices, usage = found.prices(), row.usage
    step = prices.step(usage.service_tier, usage.input_tokens)
    return Explained(row, found, step, bill_of(usage, prices), cost_of(usage, prices) == row.cost)


def decision_of(row: UsageRow) -> str:
    """What ratelimit decided, in words."""
    if row.admission == Admission.REFUSED:
        said = f"{row.requests} requests refused" if row.requests > 1 else "refused"
        return f"{said} with {row.status}{_cause(row.denied_by)}{_wait(row)}"
    return f"{ADMISSIONS.get(row.admission, row.admission)}{_wait(row)}, {row.reserved_tokens} tokens reserved"


def _cause(denied_by: str) -> str:
    if found := reason_of(denied_by):
        return f": {found.why}"
    return f" by the limit {denied_by}" if denied_by else ""


def advice_of(row: UsageRow) -> str:
    """What to do about a refusal, or an answer that was not ours; "" if all is well."""
    if row.admission != Admission.REFUSED:
        return NOT_OURS.format(row.status) if row.status >= 400 else ""
    found = reason_of(row.denied_by)
    return found.advice if found else RAISE.format(row.tenant_id) if row.denied_by else ""


def _wait(row: UsageRow) -> str:
    """The wait of a row that stands for one request."""
    return f" after {row.queue_ms:,} ms in the queue" if row.queue_ms and row.requests == 1 else ""


def tier_of(of: Explained) -> str | None:
    """The tier whose prices applied, in words; None: the model's own."""
    if of.step is None or of.prices is None or of.step.rates == of.prices.prices().standard:
        return None
    above = f"above {of.step.least - 1} input tokens" if of.step.least else ""
    return ", ".join(filter(None, (of.step.service_tier, above)))

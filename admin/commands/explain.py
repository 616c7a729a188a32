"""Why a request was let through or refused, and what it cost: its row, and its bill recomputed."""

from collections.abc import Sequence
from dataclasses import dataclass

from admin.access.permission import ResourceKind
from admin.commands.session import Session, query
from ledger.bill import Item, bill_of
from ledger.cost import PricedRow, cost_of
from ledger.requests import NoSuchRequest
from tenancy.directory.price_history import PriceVersion
from tenancy.values.lease_id import is_lease_id, lease_time
from tenancy.values.prices import Step

MAX_ROWS = 20


@dataclass(frozen=True, slots=True)
class Explained:
    """A row with its bill.  `prices` None: the model had none, or they were not kept then; `step`: the tier that held,
    None if none did.  `recomputed`: whether the bill is, to the last decimal, what the row says."""

    row: PricedRow
    prices: PriceVersion | None = None
    step: Step | None = None
    items: Sequence[Item] = ()
    recomputed: bool = False


@query(ResourceKind.USAGE)
async def explain(session: Session, label: str) -> Sequence[Explained]:
    """The requests that came with this `x-request-id`, newest first, at most MAX_ROWS; or that with this lease id."""
    requests, rows = session.ports.requests, list[PricedRow]()
    if is_lease_id(label):
        found = await requests.by_id(label, lease_time(label))
        rows += [found] if found else []
    if label:
        rows += [row for row in await requests.by_label(label, MAX_ROWS) if row.usage.id != label]
    if not rows:
        raise NoSuchRequest(label)
    return [await _explained(session, row) for row in rows]


@query(ResourceKind.MODEL)
async def history(session: Session, model_id: str, limit: int, before: int | None = None) -> Sequence[PriceVersion]:
    """The price sets of a model, newest first."""
    return await session.ports.price_history.of_model(model_id, limit, before)


async def _explained(session: Session, row: PricedRow) -> Explained:
    if row.price_version is None:
        return Explained(row)
    found = await session.ports.price_history.version(row.price_version)
    if found is None:
        return Explained(row)
    prices, usage = found.prices(), row.usage
    step = prices.step(usage.service_tier, usage.input_tokens)
    return Explained(row, found, step, bill_of(usage, prices), cost_of(usage, prices) == row.cost)

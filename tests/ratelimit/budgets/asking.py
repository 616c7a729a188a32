"""One thing at a time asked of a store."""

from ratelimit.budgets.port import Decision, Orphan, Settled, Settlement
from ratelimit.budgets.rule import Rule, RuleSet, Used
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import Estimate
from tests.ratelimit.stores import Store, reservation

DAY_MS = 86_400_000


def reserve(store: Store, of: Account, cost: int | Estimate, lease_id: str = "") -> Decision:
    (decision,) = store.budgets.reserve([reservation(of, cost, lease_id)])
    assert decision is not None
    return decision


def settle(store: Store, lease_id: str, used: int, tenant_id: str = "acme") -> Settled:
    (settled,) = store.budgets.settle([Settlement(tenant_id, lease_id, Used(used))])
    return settled


def sweep(store: Store) -> list[Orphan]:
    """A sweep looks at a part of the store: several see all of it."""
    return [orphan for _ in range(3) for orphan in store.budgets.orphans(100)]


def rules(owner: str, *capacities: int) -> RuleSet:
    """Of somebody who takes no leases: a bucket of a day for each."""
    key = f"tollkeeper:budget:{{{owner}}}"
    shape = f"b{DAY_MS}"
    return RuleSet.of(owner, [Rule(f"{key}:{n}", shape, each, name=f"r{n}") for n, each in enumerate(capacities)])

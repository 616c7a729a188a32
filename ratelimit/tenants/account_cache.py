"""Which account a request has: by its policy's text and, if the policy has such limits, by its model, the model's
prices and the window of the calendar.  Keeps what it worked out, bounded.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from cachetools import LRUCache

from ratelimit.tenants.account import Account
from tenancy.values.limit import Kind, Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices

POLICIES = 100_000  # some 3 KB each
VARIANTS = 20_000


class _Known(NamedTuple):
    """One policy.  `account` is set if all its requests share one; else `models` have limits of their own, and
    `by_price` says whether prices matter."""

    policy: Policy
    head: bytes
    account: Account | None
    models: frozenset[str]
    by_price: bool


class Accounts:
    """`head_of` makes an account's `head`; `prices_of` answers from memory; `groups` as in Account.of.  At most
    `policies` are kept; the least recently used goes first.  Not thread-safe."""

    def __init__(
        self,
        head_of: Callable[[Policy], bytes],
        prices_of: Callable[[str], Prices | None],
        *,
        groups: bool = True,
        policies: int = POLICIES,
    ) -> None:
        self._head_of, self._prices_of, self._groups = head_of, prices_of, groups
        self._known: Callable[[str], _Known] = lru_cache(policies)(self._read)
        self._variants: LRUCache[tuple[str, str, str, Prices | None], Account] = LRUCache(VARIANTS)

    def find(self, policy_text: str, model: str, now_ms: int, *, within: str = "") -> Account:
        """`within`: what the model is a part of, whose limits hold for it too.  Raises
        tenancy.values.policy.MalformedPolicy or tenancy.values.calendar.UnknownTimeZone."""
        known = self._known(policy_text)
        return known.account or self._variant(policy_text, known, model, now_ms, within)

    def policy(self, policy_text: str) -> Policy:
        """MalformedPolicy."""
        return self._known(policy_text).policy

    def _variant(self, policy_text: str, known: _Known, model: str, now_ms: int, within: str) -> Account:
        prices = self._prices_of(within or model) if known.by_price else None
        model = model if model in known.models else ""
        within = within if within in known.models else ""
        name = (policy_text, model, within, prices)
        account = self._variants.get(name)
        if account is None or now_ms >= account.until_ms:
            account = Account.of(
                known.policy, now_ms, model, prices, groups=self._groups, head=known.head, within=within
            )
            self._variants[name] = account
        return account

    def _read(self, policy_text: str) -> _Known:
        policy = Policy.load(policy_text)
        models = frozenset(limit.subject for limit in policy.limits if limit.scope is Scope.MODEL)
        by_price = any(limit.unit is Unit.COST for limit in policy.limits)
        calendar = any(limit.kind is Kind.FIXED and limit.calendar is not None for limit in policy.limits)
        head = self._head_of(policy)
        account = None if models or by_price or calendar else Account.of(policy, groups=self._groups, head=head)
        return _Known(policy, head, account, models, by_price)

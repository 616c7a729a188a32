"""Refusals of the last milliseconds, so that a client who floods is refused from memory and leaves Redis to the others.

After FLOOD refusals within HOLD_MS, an account gets the same refusal again, unless the request wants less.  Once in
HOLD_MS one request asks the budgets on behalf of all, so a budget that refills may seem empty for that long.  For two
threads: each step is one operation on a dict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ratelimit.budgets.port import Refused
from ratelimit.tenants.account import SLOTS, Account

HOLD_MS = 20
FLOOD = 8
MAX_ACCOUNTS = 10_000


@dataclass(slots=True)
class _Recent:
    """`costs`: those of the refused request; `times`: the number of refusals since `since_ms`."""

    account: Account  # held, so that no other account can get its identity
    costs: Sequence[int]
    refused: Refused
    since_ms: int
    times: int = 1

    def holds(self, now_ms: int) -> bool:
        """Whether the refusal still counts; not if the clock was set back."""
        return 0 <= now_ms - self.since_ms < HOLD_MS

    def covers(self, costs: Sequence[int]) -> bool:
        """Whether the request wants at least as much from each budget."""
        return all(cost >= refused for cost, refused in zip(costs, self.costs, strict=True))


class RecentRefusals:
    """By the account's identity: hashing one costs more than this saves.  `now_ms` is any clock's."""

    def __init__(self) -> None:
        self._recent: dict[int, _Recent] = {}

    def refused(self, account: Account, costs: Sequence[int], refused: Refused, now_ms: int) -> None:
        """Notes a refusal by the budgets.  Refusals for lack of a slot are not kept: slots come free at any moment."""
        if refused.limit in SLOTS:
            return
        recent = self._recent.get(id(account))
        if len(self._recent) >= MAX_ACCOUNTS and recent is None:
            self._recent.clear()
        if recent is not None and recent.holds(now_ms):
            since_ms, times = recent.since_ms, recent.times + 1
        else:
            since_ms, times = now_ms, 1
        self._recent[id(account)] = _Recent(account, costs, refused, since_ms, times)

    def admitted(self, account: Account, costs: Sequence[int]) -> None:
        """Notes an admission by the budgets."""
        recent = self._recent.get(id(account))
        if recent is not None and recent.covers(costs):
            self._recent.pop(id(account), None)

    def find(self, account: Account, costs: Sequence[int], now_ms: int) -> Refused | None:
        """The latest refusal, if the account floods.  None: ask the budgets, and report their answer."""
        recent = self._recent.get(id(account))
        if recent is None or recent.times < FLOOD or not recent.covers(costs):
            return None
        if recent.holds(now_ms):
            return recent.refused
        if 0 <= now_ms - recent.since_ms < 2 * HOLD_MS:
            recent.since_ms = now_ms  # this request asks on behalf of all
        else:
            self._recent.pop(id(account), None)
        return None

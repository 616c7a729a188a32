"""Refusals of the last moment, so that a client who floods is refused from memory and leaves Redis to the others.

Who was refused FLOOD times within HOLD_MS is told the same for the rest of it, if the request wants no less: a budget
that somebody fills up may seem empty for so long.  `note` and `find` may be called by two threads: each step is one
operation on a dict.
"""

from dataclasses import dataclass

from ratelimit.account import Account
from ratelimit.budgets import IN_FLIGHT, Refused
from ratelimit.estimate import Estimate

HOLD_MS = 20
FLOOD = 8
MOST_ACCOUNTS = 10_000


@dataclass(slots=True)
class _Recent:
    account: Account  # held, so that its identity is nobody else's
    costs: list[int]
    refused: Refused
    since_ms: int
    times: int = 1

    def holds(self, now_ms: int) -> bool:
        """Not if the clock was set back."""
        return 0 <= now_ms - self.since_ms < HOLD_MS


class RecentRefusals:
    """By the account's identity: hashing one costs more than this saves.  `now_ms` is any clock's."""

    def __init__(self) -> None:
        self._recent: dict[int, _Recent] = {}

    def note(self, account: Account, estimate: Estimate, refused: Refused, now_ms: int) -> None:
        """The budgets have just said so.  Slots are not noted: they come free at any moment."""
        if refused.limit == IN_FLIGHT:
            return
        recent = self._recent.get(id(account))
        if recent is not None and recent.holds(now_ms):
            recent.times += 1
            return
        if len(self._recent) >= MOST_ACCOUNTS:
            self._recent.clear()
        costs = [bucket.cost(estimate) for bucket in account.buckets]
        self._recent[id(account)] = _Recent(account, costs, refused, now_ms)

    def find(self, account: Account, estimate: Estimate, now_ms: int) -> Refused | None:
        """What the account has been told, if it floods and wants at least as much from each budget."""
        recent = self._recent.get(id(account))
        if recent is None or recent.times < FLOOD or not recent.holds(now_ms):
            return None
        enough = all(bucket.cost(estimate) >= cost for bucket, cost in zip(account.buckets, recent.costs, strict=True))
        return recent.refused if enough else None

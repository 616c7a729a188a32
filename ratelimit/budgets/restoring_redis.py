"""Restoring budgets from the ledger: the epoch, which says that a store is whole; the turn of the process that
restores; and raising budgets to what was spent.  In Redis or Valkey, for an event loop.

What was spent is not known here: `reconcile/` brings it from the ledger.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.asyncio import RedisCluster

from ratelimit.budgets.budget import window_of
from ratelimit.budgets.keys import budget_key, epoch_keys, owner_of, restoring_key
from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.budgets.rule import BUCKET, Rule
from ratelimit.budgets.scripts import Script
from store.redis import UNAVAILABLE

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

HOLD_MS = 15_000  # how long a restorer that died keeps the others waiting
BATCH = 200  # budgets in one call: some milliseconds of Redis
# Extends the turn of the process that has it (ARGV[1]) by ARGV[2] ms.
KEEP = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
# Only while it has the turn, since then the store was not lost again: sets the epoch, KEYS[2], to ARGV[2].
DECLARE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('SET', KEYS[2], ARGV[2]) and 1 or 0"
LEAVE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class Spent(NamedTuple):
    """What the ledger says of one budget: spent in its window, and in the window before if the window slides.  `least`:
    the budget is raised only if it counts at least this as spent; None: always."""

    rule: Rule
    spent: int
    before: int = 0
    least: int | None = None


class Found(NamedTuple):
    """What the budget counted as spent, in its window and in the one before, and whether it was raised."""

    spent: int
    before: int
    raised: bool


class RedisRestoring:
    """Raises BudgetsUnavailable.  The client brings the deadlines."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._by_owner = isinstance(client, RedisCluster)
        self._epoch = epoch_keys(self._by_owner)
        self._raise = Script.read("budget", "raise")

    @property
    def spans_owners(self) -> bool:
        """Whether one script reaches several owners, so that a group's budget is shared by all of its tenants."""
        return not self._by_owner

    async def whole_since(self) -> int | None:
        """When the store was last restored, in ms since 1970; None: it is lost, on a cluster perhaps in part."""
        pipeline = self._client.pipeline(transaction=False)
        for name in self._epoch:
            pipeline.get(name)
        found: list[Any] = await self._ask(pipeline.execute())
        return None if None in found else max(map(int, found))

    async def predates_epochs(self) -> bool:
        """Whether it has budgets and never had an epoch: a version without epochs wrote it, and nothing is lost."""
        if any([await self._ask(self._client.get(name)) for name in self._epoch]):
            return False
        return bool(await self._ask(self._holds_budgets()))

    async def now_ms(self) -> int:
        """Redis's clock, in ms since 1970."""
        found = await self._ask(self._client.time())
        seconds, micros = next(iter(found.values())) if isinstance(found, dict) else found
        return int(seconds) * 1000 + int(micros) // 1000

    async def take_turn(self, who: str) -> bool:
        """Whether `who` may restore or audit now.  Others may once it has left, or has been silent for HOLD_MS."""
        return bool(await self._ask(self._client.set(restoring_key(), who, nx=True, px=HOLD_MS)))

    async def keep_turn(self, who: str) -> bool:
        """False if `who` has lost its turn."""
        return bool(await self._ask(self._client.eval(KEEP, 1, restoring_key(), who, str(HOLD_MS))))

    async def leave_turn(self, who: str) -> None:
        await self._ask(self._client.eval(LEAVE, 1, restoring_key(), who))

    async def declare_whole(self, who: str, now_ms: int) -> bool:
        """From now on requests are decided by what is in the store.  False if `who` lost its turn: the store may have
        been lost again."""
        first, *others = self._epoch
        for name in others:
            await self._ask(self._client.set(name, now_ms))
        return bool(await self._ask(self._client.eval(DECLARE, 2, restoring_key(), first, who, str(now_ms))))

    async def look(self, spent: Sequence[Spent], now_ms: int) -> list[Found]:
        """What the budgets count as spent.  Changes nothing."""
        return await self._run(spent, now_ms, "0")

    async def raise_to(self, spent: Sequence[Spent], now_ms: int) -> list[Found]:
        """Charges what the budgets do not count, each in one step, and returns what they counted before.  `now_ms` is
        when the ledger was asked; a budget that has entered another window since stays as it is."""
        return await self._run(spent, now_ms, "1")

    async def _run(self, spent: Sequence[Spent], now_ms: int, raising: str) -> list[Found]:
        found: dict[int, Found] = {}
        for batch in self._batches(spent):
            arguments = [raising]
            for i in batch:
                arguments += _arguments(spent[i], now_ms)
            keys = [spent[i].rule.key for i in batch]
            _, *numbers = await self._ask(self._client.eval(self._raise.source, len(keys), *keys, *arguments))
            triples = zip(*(iter(map(int, numbers)),) * 3, strict=True)
            for i, (counted, before, raised) in zip(batch, triples, strict=True):
                found[i] = Found(counted, before, bool(raised))
        return [found[i] for i in range(len(spent))]

    def _batches(self, spent: Sequence[Spent]) -> Iterator[list[int]]:
        """The indexes of what may share a call."""
        groups: dict[str, list[int]] = {}
        for i, each in enumerate(spent):
            groups.setdefault(owner_of(each.rule.key) if self._by_owner else "", []).append(i)
        for group in groups.values():
            rest = iter(group)
            while batch := list(islice(rest, BATCH)):
                yield batch

    async def _holds_budgets(self) -> bool:
        async for _ in self._client.scan_iter(match=budget_key("*", "*"), count=1000):
            return True
        return False

    async def _ask(self, asking: Any) -> Any:
        try:
            return await asking
        except UNAVAILABLE as error:
            raise BudgetsUnavailable(repr(error)) from error


def _arguments(each: Spent, now_ms: int) -> list[str]:
    rule = each.rule
    starts = "" if rule.shape[0] == BUCKET else str(window_of(rule, now_ms)[0])
    bounds = map(str, rule.bounds or ("", "", ""))
    least = "" if each.least is None else str(each.least)
    return [rule.shape, str(rule.capacity), *bounds, starts, str(each.spent), str(each.before), least]

"""How an operator looks at live budgets, resets and adjusts them, in Redis or Valkey.

Requests use another port (port.py), which is for threads; this one is for an event loop.
"""

import asyncio
from collections.abc import Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.asyncio import RedisCluster

from ratelimit.budgets.keys import changed_key
from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.budgets.rule import Rule
from ratelimit.budgets.scripts import Script, Step
from store.redis import UNAVAILABLE

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster


AT_ONCE = 64  # budgets read in one call
# A little less than the day for which the management API keeps what it answered: never longer.
MARKER_MS = 86_400_000 - 60_000


class Held(NamedTuple):
    """One budget: what it holds (below zero: debt), when it is full again, and how often its rule, a shadow, would have
    refused since the budget was last full."""

    held: int
    full_at_ms: int
    missed: int


class RedisControl:
    """Raises BudgetsUnavailable; a change may have been made by then.  The client brings the deadlines.

    `once` names a change that a caller may repeat: within almost a day, only the first call makes it.  On a cluster,
    all rules of a call belong to one owner.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._peek = Script.read("budget", "peek")
        self._adjust = Script.read("budget", "once", "adjust", "peek")
        self._reset = Script.read("budget", "once", "reset", "peek")

    @property
    def spans_owners(self) -> bool:
        """Whether one call can reach the budgets of several owners."""
        return not isinstance(self._client, RedisCluster)

    async def peek(self, rules: Sequence[Rule]) -> list[Held]:
        """What each rule's budget holds now.  Changes nothing."""
        return await self._call(self._peek, peek_step(rules)) if rules else []

    async def peek_all(self, rules: Sequence[Rule]) -> list[Held]:
        """`peek` for many rules of any owners, in calls that each take little of Redis's time."""
        grouped = groupby(rules, lambda rule: "" if self.spans_owners else rule.owner)
        calls = [batch for _, group in grouped for batch in _batches([*group])]
        return [*chain.from_iterable(await asyncio.gather(*map(self.peek, calls)))]

    async def reset(self, rules: Sequence[Rule], once: str = "") -> list[Held]:
        """Fills the budgets up and returns what they then hold.  All belong to one owner.  Requests in flight are
        settled as before: what they use beyond their reserve is charged."""
        return await self._call(self._reset, _changing(rules, once)) if rules else []

    async def adjust(self, rule: Rule, units: int, once: str = "") -> Held:
        """Gives units back (never beyond the capacity) or, below zero, charges them (debt is possible).  Returns what
        the budget then holds."""
        (held,) = await self._call(self._adjust, _changing([rule], once, units))
        return held

    async def _call(self, script: Script, step: Step) -> list[Held]:
        """Uses EVAL, not EVALSHA: an operator's call is rare, and a restarted Redis knows no script."""
        arguments = (*step.keys, *(str(argument) for argument in step.arguments))
        try:
            return peeked(await self._client.eval(script.source, len(step.keys), *arguments))
        except UNAVAILABLE as error:
            raise BudgetsUnavailable(repr(error)) from error


def _batches(rules: Sequence[Rule]) -> list[Sequence[Rule]]:
    return [rules[at : at + AT_ONCE] for at in range(0, len(rules), AT_ONCE)]


def peek_step(rules: Sequence[Rule]) -> Step:
    """The call of `lua/peek.lua`."""
    arguments: list[str | int] = []
    for rule in rules:
        arguments += (rule.shape, rule.capacity, *(rule.bounds or ("", "", "")))
    return Step([rule.key for rule in rules], arguments)


def peeked(reply: Sequence[Any]) -> list[Held]:
    now_ms, *numbers = map(int, reply)
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return [Held(held, now_ms + full_in_ms, missed) for held, full_in_ms, missed in triples]


def _changing(rules: Sequence[Rule], once: str, *more: int) -> Step:
    """`once` empty: the change is made at every call."""
    step = peek_step(rules)
    marker = changed_key(rules[0].owner, once) if once else ""
    return Step(step.keys, [*step.arguments, *more, marker, MARKER_MS])

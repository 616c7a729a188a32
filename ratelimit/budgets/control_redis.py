"""Looking at, resetting and adjusting budgets in Redis or Valkey, from an event loop."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.asyncio import RedisCluster

from ratelimit.budgets.control import MARKER_MS, Held
from ratelimit.budgets.keys import changed_key
from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.budgets.rule import Rule
from ratelimit.budgets.scripts import Script, Step
from store.redis import UNAVAILABLE

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster


class RedisControl:
    """See BudgetControl.  The client brings the deadlines.  On a cluster the rules of a call are of one owner."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._peek = Script.read("budget", "peek")
        self._adjust = Script.read("budget", "once", "adjust", "peek")
        self._reset = Script.read("budget", "once", "reset", "peek")

    @property
    def spans_owners(self) -> bool:
        return not isinstance(self._client, RedisCluster)

    async def peek(self, rules: Sequence[Rule]) -> list[Held]:
        return await self._call(self._peek, peek_step(rules)) if rules else []

    async def reset(self, rules: Sequence[Rule], once: str = "") -> list[Held]:
        return await self._call(self._reset, _changing(rules, once)) if rules else []

    async def adjust(self, rule: Rule, units: int, once: str = "") -> Held:
        (held,) = await self._call(self._adjust, _changing([rule], once, units))
        return held

    async def _call(self, script: Script, step: Step) -> list[Held]:
        """EVAL, not EVALSHA: an operator's call is rare, and a Redis that was restarted knows no script."""
        arguments = (*step.keys, *(str(argument) for argument in step.arguments))
        try:
            return peeked(await self._client.eval(script.source, len(step.keys), *arguments))
        except UNAVAILABLE as error:
            raise BudgetsUnavailable(repr(error)) from error


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
    """`once` empty: the change is made whenever it is asked for."""
    step = peek_step(rules)
    marker = changed_key(rules[0].owner, once) if once else ""
    return Step(step.keys, [*step.arguments, *more, marker, MARKER_MS])

"""Looking at, resetting and adjusting budgets in Redis or Valkey, from an event loop."""

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio import RedisCluster

from ratelimit.budgets.control import MARKER_MS
from ratelimit.budgets.meter import Meter
from ratelimit.budgets.peek import Held, peek_step, peeked
from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.budgets.scripts import Script, Step
from store.redis import UNAVAILABLE
from tenancy.redis.names import redis_key_changed

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

T = TypeVar("T")


class RedisControl:
    """See BudgetControl.  The client brings the deadlines.  On a cluster the meters of a call are of one tenant."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._peek = Script.read("budget", "peek")
        self._adjust = Script.read("budget", "once", "adjust", "peek")
        self._reset = Script.read("budget", "once", "reset", "peek")

    @property
    def shares_groups(self) -> bool:
        return not isinstance(self._client, RedisCluster)

    async def peek(self, meters: Sequence[Meter]) -> list[Held]:
        return peeked(await self._call(self._peek, peek_step(meters))) if meters else []

    async def reset(self, meters: Sequence[Meter], once: str = "") -> list[Held]:
        return peeked(await self._call(self._reset, _changing(meters, once))) if meters else []

    async def adjust(self, meter: Meter, units: int, once: str = "") -> Held:
        (held,) = peeked(await self._call(self._adjust, _changing([meter], once, units)))
        return held

    async def _call(self, script: Script, step: Step) -> Any:
        """EVAL, not EVALSHA: an operator's call is rare, and a Redis that was restarted knows no script."""
        arguments = (*step.keys, *(str(argument) for argument in step.arguments))
        return await _answer(self._client.eval(script.source, len(step.keys), *arguments))


def _changing(meters: Sequence[Meter], once: str, *more: int) -> Step:
    """`once` empty: the change is made whenever it is asked for."""
    step = peek_step(meters)
    marker = redis_key_changed(meters[0].owner, once) if once else ""
    return Step(step.keys, [*step.arguments, *more, marker, MARKER_MS])


async def _answer(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except UNAVAILABLE as error:
        raise BudgetsUnavailable(repr(error)) from error

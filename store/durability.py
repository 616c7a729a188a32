"""Whether Redis keeps its data: a store that may evict, or that does not persist, can lose budgets."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

Ask = Callable[..., Awaitable[Any]]
log = structlog.get_logger(__name__)


class Durability(NamedTuple):
    """`evicts`: it drops keys under memory pressure.  `forgets`: after a restart it has nothing, or only a snapshot
    that is never taken automatically.  None: it does not say.  `evicted`: keys dropped since it was started."""

    evicts: bool | None
    forgets: bool | None
    evicted: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        found = ("redis_may_evict", self.evicts), ("redis_does_not_persist", self.forgets)
        return tuple(name for name, is_so in found if is_so)


async def durability_of(client: "Client") -> Durability:
    """The durability over every node that can be written to; raises what store.redis.UNAVAILABLE lists."""
    if not isinstance(client, RedisCluster):
        return await _of_node(client.info, client.config_get)
    await client.initialize()
    found = [await _of_node(_on(client.info, node), _on(client.config_get, node)) for node in client.get_primaries()]
    evicted = sum(each.evicted for each in found)
    return Durability(_any(each.evicts for each in found), _any(each.forgets for each in found), evicted)


async def _of_node(info: Ask, config_get: Ask) -> Durability:
    memory, persistence, stats = await info("memory"), await info("persistence"), await info("stats")
    evicted = int(stats.get("evicted_keys", 0))
    evicts = None
    if "maxmemory" in memory and "maxmemory_policy" in memory:
        evicts = int(memory["maxmemory"]) > 0 and memory["maxmemory_policy"] != "noeviction"
    if persistence.get("aof_enabled"):
        return Durability(evicts, False, evicted)
    try:
        snapshots = await config_get("save")
    except ResponseError:  # a hosted Redis may not let us look
        return Durability(evicts, None, evicted)
    return Durability(evicts, not snapshots.get("save"), evicted)


def _on(ask: Ask, node: Any) -> Ask:
    """The same of one node of a cluster, whose answer may come under its name."""

    async def asked(what: str) -> Mapping[str, Any]:
        answer = await ask(what, target_nodes=node)
        found: Mapping[str, Any] = answer.get(node.name, answer)
        return found

    return asked


def _any(answers: Any) -> bool | None:
    known = [each for each in answers if each is not None]
    return any(known) if known else None

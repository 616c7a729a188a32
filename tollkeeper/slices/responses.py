"""The response cache, as a part of ratelimit: who looks for kept answers, and who keeps them."""

from typing import NamedTuple

from ratelimit.commit.group_commit import GroupCommit
from ratelimit.responses.keeper import Keeper
from ratelimit.responses.lookups import Lookups
from ratelimit.responses.metrics import ResponseMetrics
from ratelimit.responses.redis import RedisResponses
from ratelimit.tenants.decider import wall_clock_ms
from ratelimit.tenants.replays import Replays
from serving.call import Unary
from store.redis import open_redis
from tenancy.values.seal import RESPONSE, Seal
from tollkeeper.config import MEBIBYTE
from tollkeeper.slices.shared import Shared

KEEP_SECONDS = 1.0  # nobody waits for it


class Wired(NamedTuple):
    """`methods`: what Envoy brings answers to."""

    replays: Replays
    methods: tuple[Unary, ...]


def wire(shared: Shared, committer: GroupCommit) -> Wired:
    """Opens and asks nothing until a model has a response cache."""
    settings, metrics = shared.settings, ResponseMetrics()
    seal = Seal(shared.seals.keys, RESPONSE)

    def store(timeout: float) -> RedisResponses:
        return RedisResponses(lambda: open_redis(settings.redis_url, timeout=timeout))

    lookups = Lookups(store(settings.redis_timeout_ms / 1000), metrics)
    keeper = Keeper(store(KEEP_SECONDS), seal, metrics, settings.response_cache_mb * MEBIBYTE, now_ms=wall_clock_ms)
    shared.metrics.add(*metrics.members())
    for part in (lookups, keeper):
        part.start()
        shared.stops.callback(part.close)
    replays = Replays(lookups, keeper, committer, seal, metrics, wall_clock_ms)
    shared.answered = replays.over
    return Wired(replays, keeper.methods())

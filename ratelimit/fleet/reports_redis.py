"""Reports in Redis.  Each lives for a few seconds, so that only running sidecars have one.  All in one cluster slot."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from ratelimit.budgets.keys import lease_key, leases_key
from ratelimit.fleet.report import TTL_SECONDS, Aged, Overview, Pooled, Report, Told
from ratelimit.fleet.spreading import ALL, Dues
from ratelimit.scheduler import Served
from tenancy.directory.capacity import Capacity
from tenancy.redis.names import (
    CAPACITY_KEY,
    DUES_KEY,
    LEADER_KEY,
    SERVED_KEYS,
    SHARES_KEY,
    SIDECARS_KEY,
    redis_key_shares,
    redis_key_sidecar,
)

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

log = structlog.get_logger(__name__)
LUA = Path(__file__).parent / "lua"
# EVAL, not EVALSHA: a call a second is rare, and a restarted Redis knows no script.
REPORT = (LUA / "report.lua").read_text(encoding="utf-8")
REPORTS = (LUA / "reports.lua").read_text(encoding="utf-8")
NOTHING: Served = {}
NO_POOLS: Mapping[str, Pooled] = {}
DUES_MS = 2000  # how long dues count; then shares follow demand until another sidecar computes dues
MAX_SIDECARS = 1000  # read at once, the latest reports


class RedisReports:
    """Raises what store.redis.UNAVAILABLE lists.  The clock is Redis's own; the client brings the deadlines."""

    def __init__(self, client: "Client", ttl_seconds: float = TTL_SECONDS) -> None:
        self._client, self._ttl_ms = client, int(ttl_seconds * 1000)

    async def leave(
        self, report: Report, *, short: bool, served: Served = NOTHING, pools: Mapping[str, Pooled] = NO_POOLS
    ) -> Told:
        """Replaces this sidecar's report, and renews its shares.  The shares that all sidecars that report have of a
        bound never add up to more than it, unless it was just lowered.  `short`: it had to refuse requests since its
        last one, or some wait.  `served`: since the last one, to be added to what all have served.  `pools`: of models
        that have a bound; -1 gives up the share."""
        keys = [SIDECARS_KEY, CAPACITY_KEY, redis_key_sidecar(report.sidecar), *SERVED_KEYS, LEADER_KEY, DUES_KEY]
        keys += (SHARES_KEY, *map(redis_key_shares, pools))
        arguments = [report.sidecar, report.dump(), str(self._ttl_ms), str(1 + len(pools))]
        for name, pool in {ALL: Pooled(0, report.in_flight, short), **pools}.items():
            arguments += (name, str(pool.most), str(pool.in_flight), str(int(pool.short)))
        for (group, tenant_id), service in served.items():
            arguments += (f"{group}/{tenant_id}", str(service))
        _, text, leads, waiting, period, shares, totals = await self._client.eval(REPORT, len(keys), *keys, *arguments)
        share, *of_models = shares
        found = {name: share for name, share in zip(pools, of_models, strict=True) if share >= 0}
        return Told(
            _capacity(text), None if share < 0 else share, bool(waiting), tuple(totals), period, found, bool(leads)
        )

    async def hand_out(self, dues: Dues) -> None:
        """Stores what each sidecar is due, in place of the dues before; it takes effect with the sidecar's next
        report."""
        async with self._client.pipeline() as pipeline:
            pipeline.delete(DUES_KEY)
            if said := {sidecar: json.dumps(due) for sidecar, due in dues.items() if due}:
                pipeline.hset(DUES_KEY, items=[text for pair in said.items() for text in pair])
                pipeline.pexpire(DUES_KEY, DUES_MS)
            await pipeline.execute()

    async def withdraw(self, sidecar: str) -> None:
        """This sidecar ends: its report and its share of the capacity are removed at once."""
        await self._client.zrem(SIDECARS_KEY, sidecar)
        await self._client.hdel(SHARES_KEY, sidecar)  # its shares of models go with the next report of another
        await self._client.delete(redis_key_sidecar(sidecar))

    async def overview(self) -> Overview:
        """The last report of each sidecar that has reported within TTL_SECONDS."""
        keys, arguments = (SIDECARS_KEY, CAPACITY_KEY), (redis_key_sidecar(""), str(MAX_SIDECARS))
        now_ms, capacity, *found = await self._client.eval(REPORTS, len(keys), *keys, *arguments)
        pairs = zip(found[::2], found[1::2], strict=True)
        aged = [Aged(report, max(0, now_ms - at) / 1000) for text, at in pairs if (report := _read(text))]
        return Overview(_capacity(capacity), aged)


async def ended_leases(client: "Client", leases: Mapping[str, str]) -> list[str]:
    """The leases (id → tenant) that no longer exist, or have expired and were swept."""
    pipeline = client.pipeline(transaction=False)
    for lease_id, tenant_id in leases.items():
        pipeline.exists(lease_key(tenant_id, lease_id))
        pipeline.zscore(leases_key(tenant_id), lease_id)
    replies: list[Any] = await pipeline.execute()
    found = zip(leases, replies[::2], replies[1::2], strict=True)
    return [lease_id for lease_id, there, deadline in found if not there or deadline is None]


def _capacity(text: bytes) -> Capacity | None:
    """None if there is no copy, or an unreadable one: the sidecars then write it again."""
    try:
        return Capacity.load(text) if text else None
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        log.warning("unreadable capacity in redis", error=type(error).__name__)
        return None


def _read(text: bytes) -> Report | None:
    """None for a report whose version this one cannot read: sidecars are upgraded one by one."""
    try:
        return Report.load(text)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        log.warning("unreadable report of a sidecar", error=type(error).__name__)
        return None

"""authz: who is calling.  Needs the records of keys, in its own cache, in Redis and in Postgres; and the catalog of
models, to answer which of them a key may use."""

import asyncio
import time
from functools import partial

from authz.bodies import Bodies
from authz.metrics import AuthzMetrics
from authz.service import AuthzService, prepare
from ratelimit.tenants.uploads import SMALL
from serving.call import Method
from serving.metrics import Gauge
from serving.news import hear, listen_at
from store.redis import UNAVAILABLE
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.names import SIDECARS_KEY
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.process_cache import Lifetimes, ProcessCache
from tenancy.resolving.refresh import keep_fresh
from tenancy.resolving.resolver import Resolver
from tenancy.values.seal import DENIAL, LEASE, Seal
from tollkeeper.config import MEBIBYTE
from tollkeeper.plan import bodies_sockets
from tollkeeper.slices.shared import Shared
from tollkeeper.slices.table import Service

ALONE_SECONDS = 1.0


def wire(shared: Shared) -> list[Method]:
    metrics = AuthzMetrics()
    shared.metrics.add(*metrics.members())
    seal, denials = (Seal(shared.seals.keys, kind) for kind in (LEASE, DENIAL))
    headers = shared.settings.key_header_names
    bodies = _bodies(shared)
    return AuthzService(
        _resolver(shared),
        shared.catalog,
        shared.loop,
        metrics,
        seal=seal,
        denials=denials,
        key_headers=headers,
        bodies=bodies,
    ).methods()


def _bodies(shared: Shared) -> Bodies:
    """Over a Unix socket those of one of several processes, which ratelimit tells of what has arrived; over TCP, where
    ratelimit is in this process, all."""
    settings, here = shared.settings, Service.RATELIMIT in shared.services
    most = settings.uploads_max_mb * MEBIBYTE // SMALL
    bodies = Bodies(most if here else most // settings.workers)
    shared.metrics.add(
        Gauge("tollkeeper_authz_bodies_coming", "Requests whose body has not arrived yet", lambda: float(len(bodies)))
    )
    if here:
        bodies.count(False)
        shared.bodies_here = lambda lease_id: bodies.arrived((lease_id,), time.monotonic())
        shared.loop.spawn(_count_alone(shared, bodies), "sidecars")
    else:
        own = listen_at(bodies_sockets(settings)[shared.number - 1])
        shared.loop.spawn(hear(own, lambda lease_ids: bodies.arrived(lease_ids, time.monotonic())), "bodies")
    return bodies


async def _count_alone(shared: Shared, bodies: Bodies) -> None:
    """Of several sidecars that Envoy asks over TCP, one hears only of some bodies that it has let come: then it counts
    none."""
    while True:
        try:
            alone = await shared.redis.zcard(SIDECARS_KEY) <= shared.settings.workers
        except UNAVAILABLE:
            alone = False
        bodies.count(alone)
        await asyncio.sleep(ALONE_SECONDS)


def _resolver(shared: Shared) -> Resolver[bytes]:
    settings = shared.settings
    lifetimes = Lifetimes(fresh=settings.cache_seconds, stale=settings.stale_seconds)
    cache: ProcessCache[bytes] = ProcessCache(settings.cache_entries, lifetimes=lifetimes)
    records = PostgresRecordSource(shared.pool, shared.postgres_seconds)
    in_redis = RedisRecordCache(shared.redis)
    prepared = partial(prepare, key_headers=settings.key_header_names, hand_off=settings.hand_off)
    resolver = Resolver(records, in_redis, prepared, shared.tenancy_metrics, cache=cache)
    shared.stops.callback(lambda: shared.loop.run(resolver.close(), 5.0))
    shared.listeners.append(resolver)
    shared.loop.spawn(keep_fresh(cache, in_redis), "key refresh")
    return resolver

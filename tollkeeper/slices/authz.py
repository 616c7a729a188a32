"""authz: who is calling.  Needs the records of keys, in its own cache, in Redis and in Postgres; and the catalog of
models, to answer which of them a key may use."""

from functools import partial

from authz.metrics import AuthzMetrics
from authz.service import AuthzService, prepare
from serving.call import Method
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.process_cache import Lifetimes, ProcessCache
from tenancy.resolving.refresh import keep_fresh
from tenancy.resolving.resolver import Resolver
from tenancy.values.seal import DENIAL, LEASE, Seal
from tollkeeper.slices.bodies import counted
from tollkeeper.slices.shared import Shared


def wire(shared: Shared) -> list[Method]:
    metrics = AuthzMetrics()
    shared.metrics.add(*metrics.members())
    seal, denials = (Seal(shared.seals.keys, kind) for kind in (LEASE, DENIAL))
    headers = shared.settings.key_header_names
    return AuthzService(
        _resolver(shared),
        shared.catalog,
        shared.loop,
        metrics,
        seal=seal,
        denials=denials,
        key_headers=headers,
        bodies=counted(shared),
    ).methods()


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

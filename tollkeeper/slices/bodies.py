"""Which bodies have not arrived yet: authz counts requests in, and ratelimit and accesslog of this sidecar report the
arrivals here.  Over TCP, where an Envoy may ask several sidecars, also what sidecars tell each other about bodies and
about requests that are over."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from authz.bodies import Bodies
from ratelimit.fleet.arrivals import Arrivals, stay_quiet
from ratelimit.fleet.arrivals_redis import ARRIVED, OVER, UNDECIDED, Item, RedisArrivals
from ratelimit.service import Decider
from ratelimit.tenants.decider import wall_clock_ms
from ratelimit.tenants.uploads import SMALL
from serving.call import Answer, Call
from serving.metrics import Gauge
from serving.news import Telling, hear, listen_at
from store.redis import open_redis_async
from tenancy.values.lease_id import envoy_of, is_lease_id
from tollkeeper.config import MEBIBYTE
from tollkeeper.plan import bodies_sockets
from tollkeeper.slices.shared import Shared
from tollkeeper.slices.table import Service

if TYPE_CHECKING:
    from redis import asyncio as aio

REDIS_SECONDS = 1.0  # nobody waits for it
UNHEARD_MS = 5_000  # a large body is decided by then, and counts no longer if that may not be heard


def counted(shared: Shared) -> Bodies:
    """For authz.  Over a Unix socket the bodies of one of several processes, over TCP all that this sidecar admits."""
    settings, services = shared.settings, shared.services
    most = settings.uploads_max_mb * MEBIBYTE // SMALL
    bodies = Bodies(most if Service.RATELIMIT in services else most // settings.workers)
    shared.metrics.add(
        Gauge("tollkeeper_authz_bodies_coming", "Requests whose body has not arrived yet", lambda: float(len(bodies)))
    )
    if shared.tcp:
        bodies.count(False)
        _exchange(shared, bodies)
    if Service.RATELIMIT in services:
        shared.body_began_here = lambda lease_id: bodies.arrived((lease_id,), time.monotonic())
    else:
        own = listen_at(bodies_sockets(settings)[shared.number - 1])
        shared.loop.spawn(hear(own, lambda lease_ids: bodies.arrived(lease_ids, time.monotonic())), "bodies")
    return bodies


def telling(shared: Shared, decide: Decider) -> Decider:
    """For ratelimit.  Tells authz of each request that is asked for: its body is there."""
    here = Telling(bodies_sockets(shared.settings))
    shared.loop.spawn(here.run(), "bodies")
    if not shared.tcp:
        shared.loop.spawn(_stay_quiet(shared), "other sidecars")
    elif Service.AUTHZ not in shared.services:
        _exchange(shared, Bodies(0))

    def tell(lease_id: str) -> bool:
        here.tell(lease_id)
        return shared.body_began_here(lease_id)

    def asked(descriptors: Sequence[Mapping[str, str]], call: Call) -> Answer:
        lease_id = descriptors[0].get("lease_id", "") if descriptors else ""
        if is_lease_id(lease_id):
            if not tell(lease_id):
                shared.tell_sidecars(lease_id, ARRIVED)
            shared.asked.add(envoy_of(lease_id))
        return decide(descriptors, call)

    shared.body_came = tell
    return asked


def _exchange(shared: Shared, bodies: Bodies) -> None:
    """Starts the exchange with the other sidecars."""

    async def opened() -> "aio.Redis | aio.RedisCluster":
        return open_redis_async(shared.settings.redis_url, timeout=REDIS_SECONDS)

    client = shared.loop.run(opened())

    def share(number: int) -> None:
        bodies.shared_by(number)
        shared.uploads.shared_by(number)

    def heard(items: Sequence[Item]) -> None:
        for lease_id, what in items:
            shared.uploads.end(lease_id)
            if what == UNDECIDED:
                shared.in_flight.end_undecided((lease_id,))
            elif what != ARRIVED:
                shared.in_flight.end(lease_id, None if what == OVER else what)
            if what != ARRIVED:
                shared.answered(lease_id)

    arrivals = Arrivals(
        RedisArrivals(client, shared.identity.sidecar),
        bodies,
        heard=heard,
        unheard=lambda: shared.uploads.end_older(wall_clock_ms() - UNHEARD_MS),
        shared=share,
    )

    async def run() -> None:
        try:
            await arrivals.run()
        finally:
            await client.aclose()

    shared.tell_sidecars = arrivals.tell
    shared.loop.spawn(run(), "other sidecars")


async def _stay_quiet(shared: Shared) -> None:
    await stay_quiet(RedisArrivals(shared.redis, shared.identity.sidecar))

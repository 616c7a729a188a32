"""ratelimit: whether a request fits its budgets.  Needs the catalog of models, the budgets, and the count of what is in
flight, which accesslog counts out; reports to the fleet what this process has in flight."""

import asyncio
import random
import time
from collections import Counter
from functools import partial

import structlog

from clients.rates import RateHeaders
from ratelimit.answer_bytes import serialize
from ratelimit.commit.fallback import FailureMode, Fallback
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.fairness.pools import UNBOUNDED, Room
from ratelimit.fairness.service import service_of
from ratelimit.fleet.arrivals_redis import ARRIVED
from ratelimit.fleet.report import MAX_MODELS, ModelLoad
from ratelimit.fleet.reporter import Reporter
from ratelimit.fleet.reports_redis import RedisReports, ended_leases
from ratelimit.in_flight import MAX_KNOWN
from ratelimit.journal import Journal, predecessors_in
from ratelimit.life import Life
from ratelimit.metrics import RatelimitMetrics
from ratelimit.service import Decider, RatelimitService, refused_by
from ratelimit.succession import Succession
from ratelimit.tenants.answer import Manner
from ratelimit.tenants.decider import DOMAIN, TenantDecider, wall_clock_ms
from ratelimit.tenants.mcp.decider import CallDecider, is_to_a_server
from ratelimit.tenants.replays import Replays
from ratelimit.tenants.screening import Terms
from ratelimit.tenants.uploads import DOMAIN as UPLOADS
from ratelimit.tenants.uploads import UploadDecider
from serving.call import Method
from store.redis import is_cluster
from tenancy.postgres.capacity import load_capacity
from tenancy.redis.capacity import put_capacity
from tenancy.resolving.catalog import KnownModels
from tenancy.resolving.catalog import Room as CatalogRoom
from tenancy.values.seal import DECISION, Seal
from tollkeeper.routes import routes_of
from tollkeeper.slices.bodies import telling
from tollkeeper.slices.clusters import keep_clusters
from tollkeeper.slices.responses import wire as wire_responses
from tollkeeper.slices.shared import Shared

log = structlog.get_logger(__name__)

BEGIN_SECONDS = 5.0
FOLLOW_SECONDS = 0.1
QUEUE_TICK_SECONDS = 0.05  # while anything waits
QUIET_TICK_SECONDS = 0.2
CHARGE_SECONDS = 1.0
LONG_MS = 2_000
LONG_AT_ONCE = 1_000  # charged in one round, by chance; takes one or two milliseconds
LEAST_SPEED = 10.0  # tokens a second, of a model whose speed is not known yet
SETTLED_SECONDS = 2.5  # by then what ended here while nobody knew it has no lease any more


def wire(shared: Shared) -> list[Method]:
    settings, metrics, in_flight = shared.settings, RatelimitMetrics(), shared.in_flight
    succession, committer = _succession(shared), _committer(shared, metrics)
    reporter = _reporter(shared, committer, metrics)
    metrics.watch("room", "Most that may be in flight in this process now", lambda: in_flight.bound.most)
    metrics.watch_by("capacity", "Most that may be in flight, as it is set", lambda: reporter.bounds, "bound")
    metrics.watch("waiting_for_room", "Requests that wait for room", lambda: float(in_flight.waiting))
    metrics.watch("leases_in_flight", "Admitted and not ended yet", lambda: float(len(in_flight)))
    groups = metrics.groups
    metrics.watch_by("queued", "Requests that wait for room, by fairshare group", lambda: groups.queued, "group")
    metrics.watch("fairness_gap", "What the group furthest behind lacks of its part", lambda: groups.gap)
    shared.freed.append(committer.freed)
    shared.listeners.append(reporter)
    shared.loop.run(reporter.begin(), BEGIN_SECONDS)
    shared.loop.spawn(_succeed(succession, reporter), "predecessors")
    shared.loop.spawn(_report(shared, reporter), "reports")
    shared.loop.spawn(_keep_fair(shared), "fair queue")
    if settings.model_clusters is not None and shared.number == 1:
        keep_clusters(shared, settings.model_clusters)
    uploads, responses = _uploads(shared, committer, metrics), wire_responses(shared, committer)
    shared.metrics.add(*metrics.members(), *groups.members())  # all of them: what is watched later is not shown
    decide = telling(shared, uploads.gate(_decider(shared, committer, metrics, responses.replays)))
    return [*RatelimitService({DOMAIN: decide, UPLOADS: uploads.decide}).methods(), *responses.methods]


def _decider(shared: Shared, committer: GroupCommit, metrics: RatelimitMetrics, replays: Replays) -> Decider:
    """Of requests for models and, where Envoy has a way there, to MCP servers."""
    settings, forwards = shared.settings, shared.settings.model_clusters is not None

    def made(kind: type[TenantDecider]) -> Decider:
        return kind(
            committer,
            shared.in_flight,
            shared.catalog,
            metrics,
            serialize,
            terms=Terms(routes_of(settings), settings.default_max_tokens, settings.default_model or ""),
            manner=_manner(shared),
            groups=not is_cluster(settings.redis_url),
            policies=settings.cache_entries,
            has_room=lambda: shared.has_room(),
            seal=Seal(shared.seals.keys, DECISION),
            corrections=shared.corrections,
            forwards=forwards,
            replays=replays,
            logged_once=lambda lease_id: shared.logged_once(lease_id),
        ).decide

    models, servers = made(TenantDecider), made(CallDecider)
    if not forwards:
        return models
    return lambda descriptors, call: (servers if is_to_a_server(descriptors) else models)(descriptors, call)


def _uploads(shared: Shared, committer: GroupCommit, metrics: RatelimitMetrics) -> UploadDecider:
    settings = shared.settings
    metrics.watch("upload_bytes", "Of large bodies that Envoy may hold now", lambda: float(shared.uploads.size))

    def arrived(lease_id: str) -> None:
        shared.arrived(lease_id)
        shared.tell_sidecars(lease_id, ARRIVED)

    return UploadDecider(
        committer,
        shared.in_flight,
        shared.uploads,
        metrics,
        serialize,
        refused_by,
        prices=shared.catalog.prices,
        manner=_manner(shared),
        groups=not is_cluster(settings.redis_url),
        seal=Seal(shared.seals.keys, DECISION),
        arrived_here=arrived,
    )


def _manner(shared: Shared) -> Manner:
    return Manner(RateHeaders(shared.settings.rate_headers), shared.settings.max_retry_after_seconds)


async def _keep_fair(shared: Shared) -> None:
    """Follows what operators set, lets go of what has waited for too long, and charges long requests as they run."""
    in_flight, known, charge_at = shared.in_flight, None, 0.0
    while True:
        await asyncio.sleep(QUIET_TICK_SECONDS if known and not in_flight.waiting else QUEUE_TICK_SECONDS)
        latest = shared.catalog.known()
        if latest is not None and latest is not known:
            known = latest
            in_flight.sharing.agree(rooms_of(known), known.weights)
        in_flight.give_up_late()
        if time.monotonic() >= charge_at:
            charge_at = time.monotonic() + CHARGE_SECONDS
            in_flight.sharing.charge(_running_long(shared))


def rooms_of(known: KnownModels) -> dict[str, Room]:
    """The rooms of models, of MCP servers and of their tools."""
    servers = (server.rooms(name) for name, server in known.servers.items())
    return {name: room_of(room) for name, room in known.rooms.items()} | {
        name: Room(most) for rooms in servers for name, most in rooms.items()
    }


def room_of(room: CatalogRoom) -> Room:
    return Room(UNBOUNDED if room.max_in_flight is None else room.max_in_flight, room.queue_seconds)


def _running_long(shared: Shared) -> list[tuple[Life, int]]:
    """What long requests will have had by now, by how fast their models write."""
    now_ms = wall_clock_ms()
    lives = shared.in_flight.older_than(now_ms - LONG_MS)
    if len(lives) > LONG_AT_ONCE:
        lives = random.sample(lives, LONG_AT_ONCE)
    a_ms = {
        model: service_of(0, int(1000 * max(LEAST_SPEED, shared.speed_of(model)))) / 1_000_000
        for model in {life.load.model for life in lives}
    }
    return [(life, int(a_ms[life.load.model] * (now_ms - life.since_ms))) for life in lives]


def _succession(shared: Shared) -> Succession:
    """To those who had this place.  What they have in flight is written down.  The first process also takes over from
    places that there are no more."""
    directory, workers = shared.settings.data_dir / "in-flight", shared.settings.workers
    own = directory / str(shared.number)
    unused = set(directory.glob("*")) - {directory / str(number) for number in range(1, workers + 1)}
    found = [each for place in (own, *(unused if shared.number == 1 else ())) for each in predecessors_in(place)]
    try:
        shared.in_flight.keep(Journal(own, MAX_KNOWN))
    except OSError as error:
        log.error("what is in flight is not kept for a successor", directory=str(own), reason=str(error))
    return Succession(shared.in_flight, found)


async def _succeed(succession: Succession, reporter: Reporter) -> None:
    """Follows the earlier processes until all of them are gone."""
    while not succession.over:
        succession.follow()
        await asyncio.sleep(FOLLOW_SECONDS)
    await asyncio.sleep(SETTLED_SECONDS)
    await reporter.forget_gone()


async def _report(shared: Shared, reporter: Reporter) -> None:
    """Until another process has this place: it counts what runs here, and has our part of the capacity, so that nothing
    that waits here may run any more.  Envoy asks there for it."""
    tasks = asyncio.create_task(reporter.run()), asyncio.create_task(shared.replaced.heard())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        shared.in_flight.close()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _committer(shared: Shared, metrics: RatelimitMetrics) -> GroupCommit:
    budgets = shared.budgets(shared.settings.redis_timeout_ms / 1000)
    fallback = Fallback(FailureMode(shared.settings.failure_mode), wall_clock_ms)
    committer = GroupCommit(budgets, budgets.ping, fallback, metrics)
    committer.start()
    shared.stops.callback(committer.close)
    return committer


def _reporter(shared: Shared, committer: GroupCommit, metrics: RatelimitMetrics) -> Reporter:
    """The reporter of this process: what operators call a sidecar is the process that serves ratelimit."""

    async def restore() -> None:
        await put_capacity(shared.redis, await load_capacity(shared.pool, shared.postgres_seconds))

    return Reporter(
        shared.identity,
        RedisReports(shared.redis),
        shared.in_flight,
        metrics,
        available=lambda: committer.available,
        queued=lambda: committer.waiting + shared.in_flight.waiting,
        gone=partial(ended_leases, shared.redis),
        restore=restore,
        lease_seconds=shared.settings.lease_seconds,
        models=partial(_models, shared),
    )


def _models(shared: Shared) -> tuple[ModelLoad, ...]:
    """The models with most in flight, among those that run or have endpoints."""
    running = Counter(life.load.model for life in shared.in_flight.older_than(wall_clock_ms() + LONG_MS))
    names = sorted({*running, *shared.endpoints}, key=lambda name: -running[name])[:MAX_MODELS]
    return tuple(
        ModelLoad(name, running[name], shared.speed_of(name), shared.endpoints.get(name, {})) for name in names if name
    )

"""Where Envoy sends the requests for models and MCP servers, as a part of ratelimit: what it is told of their
endpoints, what it says of their health, and what it would say of a change."""

import asyncio
from pathlib import Path

from tenancy.metrics import TenancyMetrics
from tenancy.redis.invalidation import listen
from tenancy.redis.names import TRIALS_CHANNEL
from tenancy.redis.trials import RedisTrials
from tollkeeper.envoy import health
from tollkeeper.envoy.cluster_file import ClusterFile
from tollkeeper.envoy.credentials import Credentials
from tollkeeper.envoy.mcp_servers import seal_key_of
from tollkeeper.envoy.trials import Trials
from tollkeeper.settings.types import split
from tollkeeper.slices.shared import Shared

HEALTH_SECONDS = 1.0


def keep_clusters(shared: Shared, path: Path) -> None:
    """By the first process: the others hear of models too, and one is enough to write."""
    settings = shared.settings
    credentials = Credentials(
        split(settings.model_credential_variables or ""),
        settings.model_credentials_dir,
        path.parent / "credentials",
        shared.seals.keys[0],
    )
    file = ClusterFile(path, credentials, settings.model_ca, seal_key=seal_key_of(shared.seals.keys[0]))
    shared.warned.append(lambda: file.wrong)
    shared.loop.spawn(file.keep(shared.catalog.known, lambda: shared.leaving), "clusters of models")
    trials = Trials(RedisTrials(shared.redis), credentials, settings.model_ca, link_local=settings.link_local_endpoints)
    asked = listen(settings.redis_url, [trials], TenancyMetrics(), channel=TRIALS_CHANNEL)
    shared.loop.spawn(asked, "trials of models")
    if settings.envoy_admin:
        shared.loop.spawn(_watch_endpoints(shared, settings.envoy_admin), "health of endpoints")


async def _watch_endpoints(shared: Shared, address: str) -> None:
    """Keeps the endpoints' health as Envoy reports it; while it does not, nothing is known."""
    while True:
        known = shared.catalog.known()
        try:
            there = known is not None and any(each.endpoints for each in known.upstreams.values())
            shared.endpoints = health.of_models(await health.ask(address), known) if known and there else {}
        except (OSError, TimeoutError, ValueError, KeyError):
            shared.endpoints = {}
        await asyncio.sleep(HEALTH_SECONDS)

"""The model registry from Postgres, as the catalog reads it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from store.postgres import PostgresPool, Row
from tenancy.postgres.records import fetch_in_time
from tenancy.resolving.catalog import UNREADABLE, KnownModels, Room, without_prices
from tenancy.values.mcp import NAME, Grant, McpServer
from tenancy.values.prices import Prices
from tenancy.values.response_cache import load_caches
from tenancy.values.upstream import Endpoint, Target, Upstream

# One row even if there are no models.  The version is the time of reading, in microseconds, so that a later reading
# replaces an earlier one; that is enough, since each change causes a reading.
#
# A grant for a tenant that is gone is none for another that has been given its id since.
SELECT = """
SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS version,
       coalesce(array_agg(name ORDER BY name), '{}') AS names,
       coalesce(array_agg(enabled ORDER BY name), '{}') AS enabled,
       coalesce(array_agg(floor(extract(epoch FROM created_at))::bigint ORDER BY name), '{}') AS created,
       coalesce(array_agg(price_version ORDER BY name), '{}') AS price_versions,
       coalesce(array_agg(prices::text ORDER BY name), '{}') AS prices,
       coalesce(array_agg(max_in_flight ORDER BY name), '{}') AS most,
       coalesce(array_agg(queue_timeout_seconds ORDER BY name), '{}') AS queue_seconds,
       coalesce(array_agg(
           CASE WHEN coalesce(upstream_name, endpoint, '') <> '' OR endpoints <> '[]' OR send_priority
           THEN jsonb_build_array(
               upstream_name, endpoint, endpoints, credential, credential_header, timeout_seconds, retries, health_path,
               ca_file, send_priority
           )::text END ORDER BY name
       ), '{}') AS upstreams,
       coalesce(array_agg(
           CASE WHEN cache_enabled THEN jsonb_build_array(
               cache_ttl_seconds, cache_scope, cache_requests, cache_max_bytes, cache_charge_percent, cache_purges
           )::text END ORDER BY name
       ), '{}') AS caches,
       coalesce(array_agg(CASE WHEN targets <> '[]' THEN targets::text END ORDER BY name), '{}') AS targets,
       (SELECT coalesce(json_object_agg(name, weight), '{}')::text FROM fairshare_groups) AS weights,
       (SELECT coalesce(json_object_agg(name, json_build_array(
           url, endpoints, credential, credential_header, timeout_seconds, ca_file,
           (SELECT coalesce(jsonb_agg(each), '[]') FROM jsonb_array_elements(grants) AS each
            WHERE each ->> 'tenant' IS NULL OR EXISTS (
                SELECT 1 FROM tenants WHERE id = each ->> 'tenant' AND tenants.created_at <= mcp_servers.updated_at)),
           max_in_flight, tools_in_flight, headers
       )), '{}')::text FROM mcp_servers WHERE enabled) AS servers,
       coalesce(bool_or(ever_enabled), false) AS closed
FROM models LEFT JOIN model_prices ON model_prices.version = price_version
"""


class PostgresModelSource:
    """See ModelSource and fetch_in_time."""

    def __init__(self, pool: PostgresPool, timeout: float = 0.5) -> None:
        self._pool, self._timeout = pool, timeout

    async def load(self) -> KnownModels:
        return models_of(await fetch_in_time(self._pool, self._timeout, SELECT))


def models_of(rows: Sequence[Row]) -> KnownModels:
    """The one row of SELECT."""
    (row,) = rows
    enabled, prices = dict(zip(row["names"], row["enabled"], strict=True)), dict[str, Prices]()
    for name, text, version in zip(row["names"], row["prices"], row["price_versions"], strict=True):
        try:
            if text is not None:
                prices[name] = Prices.read(text, version)
        except UNREADABLE as error:
            enabled[name] = without_prices(name, error)
    created = dict(zip(row["names"], row["created"], strict=True))
    all_rooms = zip(row["names"], map(Room, row["most"], row["queue_seconds"]), strict=True)
    rooms = {name: room for name, room in all_rooms if room != Room()}
    upstreams = {name: _upstream(text) for name, text in zip(row["names"], row["upstreams"], strict=True) if text}
    targets = {name: _targets(text) for name, text in zip(row["names"], row["targets"], strict=True) if text}
    caches = load_caches(
        [(name, json.loads(text)) for name, text in zip(row["names"], row["caches"], strict=True) if text]
    )
    weights = json.loads(row["weights"])
    servers = {name: _server(*each) for name, each in json.loads(row["servers"]).items() if NAME.fullmatch(name)}
    return KnownModels(
        row["version"], enabled, prices, row["closed"], created, rooms, weights, upstreams, targets, servers, caches
    )


def _upstream(text: str) -> Upstream:
    name, endpoint, endpoints, *rest = json.loads(text)
    found = [Endpoint(endpoint)] if endpoint else [Endpoint(**known(each, Endpoint)) for each in endpoints]
    return Upstream(name or "", tuple(found), *rest)


def _server(
    url: str,
    endpoints: Sequence[Mapping[str, Any]],
    credential: str | None,
    credential_header: str,
    timeout_seconds: int | None,
    ca_file: str | None,
    grants: Sequence[Mapping[str, Any]],
    *rest: Any,
) -> McpServer:
    upstream = Upstream(
        "",
        (Endpoint(url), *(Endpoint(**known(each, Endpoint)) for each in endpoints)),
        credential,
        credential_header,
        timeout_seconds,
        ca_file=ca_file,
    )
    return McpServer(upstream, tuple(map(grant_of, grants)), *rest)


def grant_of(stored: Mapping[str, Any]) -> Grant:
    """Reads a grant; fields that a newer version added are ignored."""
    tools = stored.get("tools")
    return Grant(stored.get("tenant"), stored.get("key"), None if tools is None else tuple(tools))


def _targets(text: str) -> tuple[Target, ...]:
    return tuple(Target(**known(each, Target)) for each in json.loads(text))


def known(stored: Mapping[str, Any], of: type[Endpoint | Target]) -> dict[str, Any]:
    """The fields that this version knows."""
    return {name: each for name, each in stored.items() if name in of._fields}

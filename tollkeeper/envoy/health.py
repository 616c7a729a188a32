"""The health of the endpoints of models, as Envoy has it: asked for on its admin interface."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import structlog

from tenancy.resolving.catalog import KnownModels
from tenancy.values.endpoint import BadEndpoint, parse_endpoint
from tenancy.values.upstream import CLUSTER, cluster_of

log = structlog.get_logger(__name__)

ASK = b"GET /clusters?format=json HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n"  # it refuses 1.0
SECONDS = 2.0
MAX_BYTES = 64 * 1024 * 1024
FAILED = ("failed_active_health_check", "failed_outlier_check", "failed_active_degraded_check")
Hosts = Mapping[str, Mapping[str, bool]]
"""By cluster and authority: whether any of its addresses is healthy."""


async def ask(address: str) -> Hosts:
    """`address`: unix:/path or HOST:PORT.  OSError, TimeoutError or ValueError without an answer."""
    async with asyncio.timeout(SECONDS):
        if address.startswith("unix:"):
            reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"), limit=MAX_BYTES)
        else:
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=MAX_BYTES)
        try:
            writer.write(ASK)
            answer = await reader.read(-1)
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return hosts_of(json.loads(dechunked(body) if b"\r\ntransfer-encoding: chunked" in head.lower() else body))


def dechunked(body: bytes) -> bytes:
    """ValueError for what is not in chunks."""
    found, at = list[bytes](), 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return b"".join(found)
        found.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


def hosts_of(said: Mapping[str, Any]) -> Hosts:
    """What Envoy's `/clusters` says of the clusters of models."""
    found: dict[str, dict[str, bool]] = {}
    for cluster in said.get("cluster_statuses", ()):
        if not cluster["name"].startswith(CLUSTER):
            continue
        hosts = found.setdefault(cluster["name"], {})
        for host in cluster.get("host_statuses", ()):
            status = host.get("health_status", {})
            healthy = not any(status.get(each) for each in FAILED)
            hosts[host.get("hostname", "")] = healthy or hosts.get(host.get("hostname", ""), False)
    return found


def of_models(hosts: Hosts, known: KnownModels) -> dict[str, dict[str, bool]]:
    """By model and URL; of those that Envoy has."""
    found: dict[str, dict[str, bool]] = {}
    for model, upstream in known.upstreams.items():
        there = hosts.get(cluster_of(model), {})
        for endpoint in upstream.endpoints:
            try:
                authority = parse_endpoint(endpoint.url).authority
            except BadEndpoint:
                continue
            if authority in there:
                found.setdefault(model, {})[endpoint.url] = there[authority]
    return found

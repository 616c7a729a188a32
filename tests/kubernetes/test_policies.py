"""kubernetes/policies.py: what it writes has the shape of the gateways' resources, and Envoy takes what they make.

How each gateway applies its resource is told after, as its documentation has it: there is no cluster here.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.kubernetes.chart import ROOT
from tollkeeper.envoy.render import render, validate
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.wheels import envoy_binary

TYPE = "type.googleapis.com/"
SCHEMAS = Path(__file__).parent / "schemas"
SECRET = "g" * 32
ADDRESS = ("tollkeeper-sidecar.models:9001",)
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": TYPE + "envoy.extensions.filters.http.router.v3.Router"},
}
CORS = {
    "name": "envoy.filters.http.cors",
    "typed_config": {"@type": TYPE + "envoy.extensions.filters.http.cors.v3.Cors"},
}
STDOUT = {
    "name": "theirs",
    "typed_config": {"@type": TYPE + "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set for sidecars elsewhere."""
    out = tmp_path_factory.mktemp("set")
    settings = EnvoySettings(authz=ADDRESS, ratelimit=ADDRESS, grpc_secret=SECRET, config_dir=str(out))
    render(settings, out, whole=False)
    return out


def policy(*arguments: str) -> Any:
    command = [sys.executable, str(ROOT / "policies.py"), *arguments]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    return yaml.safe_load(made.stdout)


def manager() -> dict[str, Any]:
    """A connection manager as gateways begin with one."""
    return {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http-10080",
        "access_log": [STDOUT],
        "http_filters": [CORS, ROUTER],
        "route_config": {"name": "theirs"},
    }


def taken_by_envoy(manager: dict[str, Any], clusters: list[dict[str, Any]], directory: Path) -> None:
    """Envoy says nothing of a filter whose cluster is missing when it validates."""
    assert [each["name"] for each in clusters] == ["tollkeeper_authz", "tollkeeper_ratelimit"]
    listener = {
        "name": "default/eg/http",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 10080}},
        "default_filter_chain": {
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        },
    }
    bootstrap = {
        "node": {"id": "theirs", "cluster": "theirs"},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }
    config = directory / "bootstrap.json"
    config.write_text(json.dumps(bootstrap))
    validate(config, envoy_binary())


def as_envoy_gateway_has_it(jsonpatches: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """RFC 6902's `add`: into a list ahead of a place or at its end, into an object under a name."""
    found, clusters = manager(), []
    for each in jsonpatches:
        path, value = each["operation"]["path"], each["operation"]["value"]
        if each["type"].endswith(".Cluster"):
            assert (path, value["name"]) == ("", each["name"])
            clusters.append(value)
            continue
        assert each["name"] == "default/eg/http"
        prefix = "/default_filter_chain/filters/0/typed_config/"
        assert path.startswith(prefix)
        name, _, place = path.removeprefix(prefix).partition("/")
        if place:
            found[name].insert(len(found[name]) if place == "-" else int(place), value)
        else:
            found[name] = value
    return found, clusters


def as_istio_has_it(patches: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """`MERGE` as of protobuf: lists grow, fields replace; what is inserted stands just ahead of the match."""
    found, clusters = manager(), []
    for each in patches:
        value = each["patch"]["value"]
        if each["applyTo"] == "CLUSTER":
            clusters.append(value)
        elif each["applyTo"] == "HTTP_FILTER":
            found["http_filters"].insert(found["http_filters"].index(ROUTER), value)
        else:
            merged = value["typed_config"]
            found |= merged | {"access_log": found["access_log"] + merged["access_log"]}
    return found, clusters


def names(files: Path) -> list[str]:
    """Of the filters, in the order that they must have."""
    blocks = yaml.safe_load((files / "blocks" / "http_filters.yaml").read_text())
    return [each["name"] for each in blocks["http_filters"]]


def test_envoy_gateway(files: Path, tmp_path: Path) -> None:
    made = policy("envoy-gateway", str(files), "--namespace", "models")
    jsonschema.Draft7Validator(json.loads((SCHEMAS / "envoypatchpolicy.json").read_text())).validate(made)
    found, clusters = as_envoy_gateway_has_it(made["spec"]["jsonPatches"])
    assert [each["name"] for each in found["http_filters"]] == [
        *names(files),
        CORS["name"],
        ROUTER["name"],
    ]
    assert [each["name"] for each in found["access_log"]] == ["theirs", "envoy.access_loggers.http_grpc"]
    taken_by_envoy(found, clusters, tmp_path)


def test_istio(files: Path, tmp_path: Path) -> None:
    made = policy("istio", str(files), "--namespace", "models", "--label", "istio=ingressgateway")
    jsonschema.Draft7Validator(json.loads((SCHEMAS / "envoyfilter.json").read_text())).validate(made)
    assert made["spec"]["workloadSelector"] == {"labels": {"istio": "ingressgateway"}}
    found, clusters = as_istio_has_it(made["spec"]["configPatches"])
    assert [each["name"] for each in found["http_filters"]] == [
        CORS["name"],
        *names(files),
        ROUTER["name"],
    ]
    assert [each["name"] for each in found["access_log"]] == ["theirs", "envoy.access_loggers.http_grpc"]
    taken_by_envoy(found, clusters, tmp_path)


def test_nothing_of_it_is_a_file_of_another_machine(files: Path) -> None:
    made = json.dumps(policy("envoy-gateway", str(files)))
    assert str(files) not in made
    assert len(made) < 1_000_000, "what etcd takes"

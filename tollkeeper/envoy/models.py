"""Envoy's clusters for the endpoints of models, rendered from the catalog.  Pure, but for the committed script.

A model is one cluster, and everything that differs by model is in it: addresses, TLS, name, path, credential.  Envoy
takes or refuses a cluster as a whole, and serves by the one before until the new one is ready, so no request meets the
name or the credential of one configuration at an endpoint of another.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenancy.values.endpoint import Place, is_ip, parse_endpoint
from tenancy.values.upstream import AUTHORIZATION, Endpoint, Upstream, cluster_of
from tollkeeper.envoy import template
from tollkeeper.envoy.render import template_dir
from tollkeeper.envoy.scripts import UPSTREAM, join

TYPE = "type.googleapis.com/"
FILTERS = f"{TYPE}envoy.extensions.filters.http"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
LIMITS = re.compile(r'- name: tollkeeper\.limits\n.*? regex: "([^"]+)"', re.DOTALL)
TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
MANY = 20_000
FAR = 100_000  # percent: while any endpoint of a priority is healthy, it is not left for the next
Fields = dict[str, Any]
Files = Mapping[str, str]
"""Where the secret is that a credential names: a file that Envoy may read."""


class MissingCredential(LookupError):
    """A credential is not among the files."""


def cluster(model: str, upstream: Upstream, files: Files, ca: str) -> Fields:
    """`ca`: the certificates of those that the model does not name.  BadEndpoint, MissingCredential."""
    found = cluster_named(cluster_of(model), upstream, files, ca, functools.partial(script, upstream))
    found["typed_extension_protocol_options"][HTTP_OPTIONS]["http_filters"].insert(0, _without_limits())
    return found


def cluster_named(
    name: str, upstream: Upstream, files: Files, ca: str, script_with: Callable[[Sequence[str]], str]
) -> Fields:
    """`script_with`: its script, with the files of the credentials that it names."""
    places = [parse_endpoint(each.url) for each in upstream.endpoints]
    credentials = [each.credential or upstream.credential for each in upstream.endpoints]
    named = list(dict.fromkeys(each for each in credentials if each))
    if missing := [each for each in named if each not in files]:
        raise MissingCredential(missing[0])
    numbers = [named.index(each) + 1 if each else 0 for each in credentials]
    found: Fields = {
        "@type": f"{TYPE}envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC" if all(is_ip(place.host) for place in places) else "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {HTTP_OPTIONS: _http(script_with([files[each] for each in named]))},
        "circuit_breakers": {"thresholds": [_thresholds()]},
        "outlier_detection": _outliers(),
        "load_assignment": {
            "cluster_name": name,
            "policy": {"overprovisioning_factor": FAR},
            "endpoints": _localities(upstream.endpoints, places, numbers, upstream.health_path is not None),
        },
    }
    if found["type"] == "STATIC":
        del found["dns_lookup_family"]
    if matches := [_tls(host, upstream.ca_file or ca) for host in dict.fromkeys(p.host for p in places if p.tls)]:
        found["transport_socket_matches"] = matches
    if upstream.health_path is not None:
        found["health_checks"] = [_health(upstream.health_path)]
    return found


def _without_limits() -> Fields:
    """Takes from answers what the default upstream's filter takes: see envoy.yaml."""
    removed = {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": _limits()}}}}
    return {
        "name": "tollkeeper.limits",
        "typed_config": {
            "@type": f"{FILTERS}.header_mutation.v3.HeaderMutation",
            "mutations": {"response_mutations": [removed]},
        },
    }


@functools.cache
def _limits() -> str:
    (regex,) = LIMITS.findall((template_dir() / "envoy.yaml").read_text())
    return str(regex)


def _http(source: str) -> Fields:
    endpoint = {"key": "x-tollkeeper-endpoint", "value": "%UPSTREAM_METADATA(tollkeeper:endpoint)%"}
    mutation = {"append": {"header": endpoint, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    return {
        "@type": f"{TYPE}{HTTP_OPTIONS}",
        # As for the default upstream: see envoy.yaml.
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
        "common_http_protocol_options": {"idle_timeout": "4s"},
        "http_filters": [
            {
                "name": "tollkeeper.endpoint",
                "typed_config": {
                    "@type": f"{FILTERS}.header_mutation.v3.HeaderMutation",
                    "mutations": {"request_mutations": [mutation]},
                },
            },
            {
                "name": "tollkeeper.upstream",
                "typed_config": {
                    "@type": f"{FILTERS}.lua.v3.Lua",
                    "default_source_code": {"inline_string": source},
                },
            },
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {"@type": f"{FILTERS}.upstream_codec.v3.UpstreamCodec"},
            },
        ],
    }


def script(upstream: Upstream, files: Sequence[str]) -> str:
    header = upstream.credential_header
    values = {
        "name": lua(upstream.name),
        "files": "{ " + ", ".join(map(lua, files)) + " }",
        "header": lua(header),
        "before": lua("Bearer " if header == AUTHORIZATION else ""),
    }
    return template.fill(_script(), values, {})


@functools.cache
def _script() -> str:
    return join(UPSTREAM, template_dir() / "lua")


def lua(text: str) -> str:
    """A string of Lua, in which no character means anything."""
    plain = (chr(each) if chr(each).isalnum() and each < 128 else f"\\{each:03d}" for each in text.encode())
    return '"' + "".join(plain) + '"'


def _localities(
    endpoints: Sequence[Endpoint], places: Sequence[Place], numbers: Sequence[int], checked: bool
) -> list[Fields]:
    """Envoy's priorities are counted without gaps."""
    levels = sorted({each.priority for each in endpoints})
    found: list[Fields] = [{"priority": number, "lb_endpoints": []} for number in range(len(levels))]
    for each, place, number in zip(endpoints, places, numbers, strict=True):
        endpoint: Fields = {
            "hostname": place.authority,
            "address": {"socket_address": {"address": place.host, "port_value": place.port}},
        }
        if checked:
            endpoint["health_check_config"] = {"hostname": place.authority}
        metadata: Fields = {"tollkeeper": {"endpoint": f"{number} {place.authority} {place.prefix}"}}
        if place.tls:
            metadata["envoy.transport_socket_match"] = {"tls": place.host}
        one = {
            "endpoint": endpoint,
            "load_balancing_weight": each.weight,
            "metadata": {"filter_metadata": metadata},
        }
        found[levels.index(each.priority)]["lb_endpoints"].append(one)
    return found


def _tls(host: str, ca: str) -> Fields:
    address = is_ip(host)
    san = {"san_type": "IP_ADDRESS" if address else "DNS", "matcher": {"exact": host}}
    context: Fields = {
        "@type": f"{TYPE}{TLS}",
        "common_tls_context": {
            "validation_context": {"trusted_ca": {"filename": ca}, "match_typed_subject_alt_names": [san]}
        },
    }
    if not address:
        context["sni"] = host
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return {"name": host, "match": {"tls": host}, "transport_socket": socket}


def _thresholds() -> Fields:
    names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return dict.fromkeys(names, MANY)


def _outliers() -> Fields:
    """An endpoint that cannot be reached is left alone for a moment, so that the next try goes to another."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 1,
        "consecutive_5xx": 10,
        "interval": "0.5s",
        "base_ejection_time": "2s",
        "max_ejection_time": "20s",
        "max_ejection_percent": 100,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
    }


def _health(path: str) -> Fields:
    times = {"timeout": "2s", "interval": "5s", "no_traffic_interval": "5s"}
    return {**times, "unhealthy_threshold": 2, "healthy_threshold": 1, "http_health_check": {"path": path}}

"""What Envoy has beside the rest where models have endpoints of their own: a filter, a route, and the file of clusters.
Pure."""

import json
from pathlib import Path

from tollkeeper.envoy.template import quote

NAME = "tollkeeper.forward"
LUA = "envoy.extensions.filters.http.lua.v3.Lua"
MATCHING = "type.googleapis.com/envoy.extensions.matching"
COMPOSITE = "type.googleapis.com/envoy.extensions.filters.http.composite.v3"
SAID = ("upstream", "rename")
# Of a request that an endpoint did not take: the model has not run, and no byte of an answer has been seen.
RETRY_ON = "connect-failure,refused-stream,reset-before-request,retriable-status-codes"
NOT_TAKEN = "[429, 503]"
MAX_BODY = 33554432


def blocks(path: str | None, script: str) -> dict[str, list[str]]:
    """Of envoy.yaml, for the file of clusters at `path`; None: models have no endpoints."""
    if path is None:
        return {"models.clusters": [], "models.route": [], "models.filter": []}
    return {"models.clusters": clusters(path), "models.route": route(), "models.filter": forward_filter(script)}


def clusters(path: str) -> list[str]:
    source = f"{{path: {quote(path)}, watched_directory: {{path: {quote(str(Path(path).parent))}}}}}"
    return [
        "dynamic_resources:",
        "  cds_config:",
        f"    path_config_source: {source}",
        "    resource_api_version: V3",
    ]


def route() -> list[str]:
    """Ahead of the one to the default upstream."""
    extensions = "type.googleapis.com/envoy.extensions.retry"
    return [
        "# Once ratelimit has said so, and tollkeeper.forward has set the header, which the guard takes from clients.",
        "- match:",
        "    prefix: /",
        "    headers: [{name: x-tollkeeper-cluster, present_match: true}]",
        "    dynamic_metadata:",
        "    - {filter: envoy.filters.http.ratelimit, path: [{key: upstream}], value: {present_match: true}}",
        f"  per_request_buffer_limit_bytes: {MAX_BODY}",
        "  route:",
        "    cluster_header: x-tollkeeper-cluster",
        "    timeout: 0s",
        "    retry_policy:",
        f"      retry_on: {RETRY_ON}",
        f"      retriable_status_codes: {NOT_TAKEN}",
        "      num_retries: 0",
        "      retry_priority:",
        "        name: envoy.retry_priorities.previous_priorities",
        f'        typed_config: {{"@type": {extensions}.priority.previous_priorities.v3.PreviousPrioritiesConfig,'
        " update_frequency: 2}",
        "      retry_host_predicate:",
        "      - name: envoy.retry_host_predicates.previous_hosts",
        f'        typed_config: {{"@type": {extensions}.host.previous_hosts.v3.PreviousHostsPredicate}}',
        "      host_selection_retry_max_attempts: 5",
    ]


def forward_filter(script: str) -> list[str]:
    """Behind ratelimit.  It is made for requests alone that ratelimit says something of: the rest pay for a look at
    metadata."""
    lua = {"@type": f"type.googleapis.com/{LUA}", "default_source_code": {"filename": script}}
    action = {
        "name": "forward",
        "typed_config": {
            "@type": f"{COMPOSITE}.ExecuteFilterAction",
            "typed_config": {"name": NAME, "typed_config": lua},
        },
    }
    matchers = [{"predicate": _says(name), "on_match": {"action": action}} for name in SAID]
    config = {
        "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        "extension_config": {"name": "composite", "typed_config": {"@type": f"{COMPOSITE}.Composite"}},
        "xds_matcher": {"matcher_list": {"matchers": matchers}},
    }
    return [f"- name: {NAME}", f"  typed_config: {json.dumps(config)}"]


def _says(field: str) -> dict[str, object]:
    path = [{"key": field}]
    found = {
        "@type": f"{MATCHING}.common_inputs.network.v3.DynamicMetadataInput",
        "filter": "envoy.filters.http.ratelimit",
        "path": path,
    }
    present = {"@type": f"{MATCHING}.input_matchers.metadata.v3.Metadata", "value": {"present_match": True}}
    return {
        "single_predicate": {
            "input": {"name": "said", "typed_config": found},
            "custom_match": {"name": "present", "typed_config": present},
        }
    }

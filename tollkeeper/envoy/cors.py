"""Which web pages may call models: Envoy's own filter, and its policy for a route.  Pure."""

from collections.abc import Sequence

from tollkeeper.envoy.template import quote


def blocks(origins: Sequence[str]) -> dict[str, list[str]]:
    """Envoy's own filter: no credentials of the browser, so that every header may be named by a star."""
    if not origins:
        return {"cors_policy": [], "cors_filter": []}
    kind = "type.googleapis.com/envoy.extensions.filters.http.cors.v3"
    allowed = [
        "    - safe_regex: {regex: '.*'}" if origin == "*" else f"    - exact: {quote(origin)}" for origin in origins
    ]
    policy = [
        "typed_per_filter_config:",
        "  envoy.filters.http.cors:",
        f'    "@type": {kind}.CorsPolicy',
        "    allow_origin_string_match:",
        *allowed,
        "    allow_methods: GET, POST, DELETE, OPTIONS",
        "    allow_headers: authorization, *",
        '    expose_headers: "*"',
        '    max_age: "600"',
    ]
    return {
        "cors_policy": policy,
        "cors_filter": ["- name: envoy.filters.http.cors", f'  typed_config: {{"@type": {kind}.Cors}}'],
    }

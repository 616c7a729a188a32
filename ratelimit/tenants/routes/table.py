"""The routes that are served: lines of text compiled into one lookup.  Pure; no I/O.

    POST /v1/models/{model}:generateContent generates

`{model}` is the model that the path names; any other name in braces is one segment that does not matter.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from clients.api import Api, api_of
from ratelimit.tenants.routes import (
    anthropic,
    azure,
    bedrock,
    cohere,
    gemini,
    litellm,
    llama_cpp,
    lmdeploy,
    mistral,
    ollama,
    openai,
    sglang,
    tensorrt_llm,
    tgi,
    vllm,
    xai,
)
from ratelimit.tenants.routes.kind import Kind
from ratelimit.tenants.routes.path import spelled

SERVERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        module.__name__.rpartition(".")[2].replace("_", "-"): (module.VERSION, module.ROUTES)
        for module in (
            openai, anthropic, azure, gemini, bedrock, cohere, mistral, xai,
            vllm, sglang, tgi, llama_cpp, ollama, lmdeploy, tensorrt_llm, litellm,
        )
    }
)  # fmt: skip
LINE = re.compile(r"(?P<method>[A-Z]{1,16}) +(?P<path>/\S*) +(?P<kind>[a-z]+)")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SEGMENT = re.compile(r"\{(?P<name>[a-z]+)\}(?P<suffix>(:[A-Za-z]+)?)|[^{}]*")
# Where an API begins, behind whatever prefix a proxy gives it.
API = re.compile(r"/v[0-9][0-9a-z]*(?=/)")
STRICTNESS = {kind: place for place, kind in enumerate(Kind)}


class BadRoutes(ValueError):
    """A table that cannot be read.  The message names the line."""


class Route(NamedTuple):
    """A line of a table.  `server` is whose."""

    method: str
    path: str
    kind: Kind
    server: str


class Found(NamedTuple):
    """The route of a request's method and path.  `model`: the one in the path, "" without one.  `api`: the API of the
    route, in whose format its client reads errors."""

    kind: Kind
    model: str = ""
    api: Api = Api.OPENAI


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path with braces.  `segments`: literal text, or None for one that is open, which then ends in its suffix."""

    route: Route
    api: Api
    segments: tuple[str | None, ...]
    suffixes: tuple[str, ...]
    model_at: int  # -1 if the path does not name the model

    def match(self, lowered: list[str], given: list[str]) -> Found | None:
        for literal, suffix, segment in zip(self.segments, self.suffixes, lowered, strict=True):
            if literal is None:
                if not segment.endswith(suffix) or len(segment) == len(suffix):
                    return None
            elif literal != segment:
                return None
        if self.model_at < 0:
            return Found(self.route.kind, api=self.api)
        named = given[self.model_at]
        return Found(self.route.kind, named[: len(named) - len(self.suffixes[self.model_at])], self.api)


class RouteTable:
    """`find` is one look-up in a dict for most requests; open paths are tried among those of the same shape."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[tuple[str, str], Found] = {}
        self._open: dict[tuple[str, str, int], list[Pattern]] = {}
        # The strictest first, so that it is the one that is found.
        for route in sorted(self.routes, key=lambda route: STRICTNESS[route.kind]):
            lowered = route.path.lower()
            if "{" not in route.path:
                self._exact.setdefault((route.method, lowered), Found(route.kind, api=api_of(lowered)))
                continue
            pattern = _pattern(route)
            self._open.setdefault((route.method, lowered.split("/")[1], len(pattern.segments)), []).append(pattern)

    def find(self, method: str, path: str) -> Found | None:
        """None for a route that no table has, or a path that servers may read in different ways.  HEAD is GET."""
        if found := self._exact.get((method, path)):
            return found
        plain = spelled(path)
        if plain is None or not plain.startswith("/"):
            return None
        if method == "OPTIONS":
            return Found(Kind.READS, api=api_of(plain))
        methods = ("HEAD", "GET") if method == "HEAD" else (method,)
        for each in methods:
            found = self._find(each, plain)
            if found is not None:
                return found
        return None

    def _find(self, method: str, path: str) -> Found | None:
        lowered = path.lower()
        found = self._exact.get((method, lowered)) or self._match(method, path, lowered)
        if found is not None:
            return found
        api = API.search(lowered)
        if api is None or api.start() == 0:
            return None
        path, lowered = path[api.start() :], lowered[api.start() :]
        return self._exact.get((method, lowered)) or self._match(method, path, lowered)

    def _match(self, method: str, path: str, lowered: str) -> Found | None:
        segments = lowered.split("/")[1:]
        for pattern in self._open.get((method, segments[0], len(segments)), ()):
            found = pattern.match(segments, path.split("/")[1:])
            if found is not None:
                return found
        return None


def parse_routes(text: str, server: str) -> list[Route]:
    """The lines of a table; empty ones and what follows `#` are left out.  BadRoutes."""
    routes: list[Route] = []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if line:
            routes.append(_route(line, server))
    return routes


def route_table(servers: Iterable[str] = SERVERS, own: str = "") -> RouteTable:
    """The tables of `servers`, and an operator's own lines, which replace theirs.  BadRoutes."""
    routes: list[Route] = parse_routes(own, "own")
    replaced = {(route.method, route.path.lower()) for route in routes}
    for server in servers:
        if server not in SERVERS:
            raise BadRoutes(f"no table for {server!r}; there are {', '.join(SERVERS)}")
        shipped = parse_routes(SERVERS[server][1], server)
        routes += [route for route in shipped if (route.method, route.path.lower()) not in replaced]
    return RouteTable(routes)


def _route(line: str, server: str) -> Route:
    match = LINE.fullmatch(line)
    if match is None or match["method"] not in METHODS:
        raise BadRoutes(f"{line!r} is not `METHOD /path kind`")
    kind = next((kind for kind in Kind if kind == match["kind"]), None)
    if kind is None:
        raise BadRoutes(f"{line!r}: the kind must be one of {', '.join(Kind)}")
    if any(SEGMENT.fullmatch(segment) is None for segment in match["path"].split("/")):
        raise BadRoutes(f"{line!r}: braces hold one name, and fill a segment up to a `:method`")
    path = match["path"]
    return Route(match["method"], path.rstrip("/") or "/", kind, server)


def _pattern(route: Route) -> Pattern:
    segments: list[str | None] = []
    suffixes: list[str] = []
    model_at = -1
    for place, segment in enumerate(route.path.split("/")[1:]):
        match = SEGMENT.fullmatch(segment)
        name = match["name"] if match else None
        segments.append(None if name else segment.lower())
        suffixes.append(match["suffix"].lower() if match and name else "")
        if name == "model":
            model_at = place
    return Pattern(route, api_of(route.path), tuple(segments), tuple(suffixes), model_at)

"""Envoy's configuration, as its admin interface dumps it, against what the template of this version has.  Pure.

Only listeners with a filter of ours are looked at: others are not our business.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tollkeeper.doctor.finding import Finding, doubtful, wrong
from tollkeeper.envoy.template import filter_name, parts

PART = "envoy"
PREFIX = "tollkeeper."
HTTP, FILE_LOG, GRPC_LOG = "HttpConnectionManager", "FileAccessLog", "HttpGrpcAccessLogConfig"
LOG_NAME = "tollkeeper"
TESTED = ((1, 36), (1, 40))
RENDER = "run `tollkeeper envoy render` of this version, and include what it writes (envoy/README.md)"
JOIN = "compare with blocks/access_log.yaml; of two lists `access_log` in one file the last alone counts"
FIELD = re.compile(r'^ +(\w+): "%', re.MULTILINE)


class Needed(NamedTuple):
    """`filters` in their order; `log_fields` of the JSON log; `clusters`: by name the first socket of each."""

    filters: tuple[str, ...]
    log_fields: frozenset[str]
    log_file: str | None
    clusters: Mapping[str, str]


def needed(template: str, log_file: str | None, clusters: Mapping[str, str]) -> Needed:
    """By the text of envoy.yaml of this version."""
    found = {part.name: part for part in parts(template)}
    filters = tuple(filter_name(part) for name, part in found.items() if name.startswith("filters/"))
    log = next(part.text for name, part in found.items() if name.endswith("access_log.yaml"))
    return Needed(filters, frozenset(FIELD.findall(log)), log_file, clusters)


def findings(dump: Mapping[str, Any], need: Needed) -> Iterator[Finding]:
    """`dump`: what `/config_dump` answered."""
    yield from _version(dump)
    yield from _clusters(dump, need)
    found = managers(dump)
    if not found:
        yield wrong(PART, "no listener has a filter of Tollkeeper, so no request is checked", RENDER)
    for manager in found:
        where = f"the listener with stat_prefix {manager.get('stat_prefix', '')!r}"
        yield from _filters(where, names_of(manager), need)
        yield from _logs(where, manager.get("access_log", []), need)


def managers(dump: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The connection managers with a filter of ours."""
    return [each for each in _all(dump, HTTP) if any(name.startswith(PREFIX) for name in names_of(each))]


def _version(dump: Mapping[str, Any]) -> Iterator[Finding]:
    build: Mapping[str, Any] = next(under(dump, "user_agent_build_version"), {})
    found = build.get("version", {})
    version = found.get("major_number", 0), found.get("minor_number", 0)
    if version != (0, 0) and not TESTED[0] <= version <= TESTED[1]:
        least, most = (".".join(map(str, each)) for each in TESTED)
        yield doubtful(
            PART, f"it is version {version[0]}.{version[1]}; {least} to {most} are tested", "use one of those"
        )


def _clusters(dump: Mapping[str, Any], need: Needed) -> Iterator[Finding]:
    found = {each["name"]: each for each in under(dump, "cluster") if isinstance(each, dict) and "name" in each}
    for name, socket in need.clusters.items():
        if name not in found:
            yield wrong(PART, f"there is no cluster {name}", RENDER)
        elif (pipes := [each["path"] for each in under(found[name], "pipe")]) and socket not in pipes:
            yield wrong(PART, f"cluster {name} leads to {pipes[0]}, while the sidecar listens at {socket}", RENDER)


def _filters(where: str, names: Sequence[str], need: Needed) -> Iterator[Finding]:
    missing = [name for name in need.filters if name not in names]
    if missing:
        yield wrong(PART, f"{where} has no filter {', '.join(missing)}", RENDER)
    here = [name for name in names if name in need.filters]
    wanted = [name for name in need.filters if name in names]
    if here != wanted:
        yield wrong(
            PART, f"{where} has its filters as {', '.join(here)}", f"put them in this order: {', '.join(wanted)}"
        )


def _logs(where: str, logs: Sequence[Mapping[str, Any]], need: Needed) -> Iterator[Finding]:
    configs = [each.get("typed_config", {}) for each in logs]
    streams = [each for each in configs if _is(each, GRPC_LOG)]
    if not any(each.get("common_config", {}).get("log_name") == LOG_NAME for each in streams):
        yield wrong(PART, f"{where} has no gRPC access log {LOG_NAME}, so nothing is settled until leases expire", JOIN)
    files = [each for each in configs if _is(each, FILE_LOG)]
    ours = [each for each in files if each.get("path") == need.log_file]
    if need.log_file and not ours:
        yield wrong(
            PART,
            f"{where} does not write {need.log_file}, so what ends while the sidecar is away stays charged as reserved",
            f"{JOIN}; its path is TOLLKEEPER_ACCESS_LOG_FILE, or that is `none`",
        )
    for each in ours:
        fields: Mapping[str, str] = next(under(each, "json_format"), {})
        if missing := sorted(need.log_fields - set(fields)):
            yield wrong(PART, f"the JSON log of {where} lacks {', '.join(missing)}: it is of another version", RENDER)


def names_of(manager: Mapping[str, Any]) -> list[str]:
    return [each.get("name", "") for each in manager.get("http_filters", [])]


def _is(config: Mapping[str, Any], kind: str) -> bool:
    return str(config.get("@type", "")).endswith(f".{kind}")


def _all(node: Any, kind: str) -> Iterator[dict[str, Any]]:
    """Every message of the type, wherever it is; each once, though a dump may have it twice."""
    seen = set[str]()
    for each in walk(node):
        if _is(each, kind) and (text := json.dumps(each, sort_keys=True)) not in seen:
            seen.add(text)
            yield each


def under(node: Any, name: str) -> Iterator[Any]:
    return (each[name] for each in walk(node) if name in each)


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document, without recursion."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)

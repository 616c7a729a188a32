"""What a chain does otherwise than this version's, though all its filters are there: what they are set to, where they
are switched off, who answers in their place, which routes cut answers.  Pure.

What differs from one deployment to the next (deadlines, secrets, places of files) is not compared.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tollkeeper.doctor.envoy import PART, PREFIX, RENDER, managers, names_of, under, walk
from tollkeeper.doctor.finding import Finding, doubtful, wrong

OWN = frozenset({"timeout", "retry_policy", "initial_metadata", "default_source_code"})
UNSET: tuple[object, ...] = (None, "", False, 0)  # which a dump leaves out
MAX_NAMED = 3  # differences of a filter that are said
SWITCHES = "typed_per_filter_config"
DISABLED = "disabled"
AUTHZ, RATELIMIT = PREFIX + "authz", PREFIX + "ratelimit"
DECIDE = frozenset({AUTHZ, RATELIMIT})
ROUTE_SECONDS = "15s"  # Envoy's default
ALL = "use the whole of blocks/exempt.yaml or blocks/apply.yaml (docs/install/joining.md)"
MAPPERS = "paste the mappers of blocks/local_reply.yaml ahead of your own"

Config = Mapping[str, Any]


class Wanted(NamedTuple):
    """`filters`: what this version writes for each, by name; for how long a request may be queued."""

    filters: Mapping[str, Config]
    queue_seconds: float


def findings(dump: Config, wanted: Wanted) -> Iterator[Finding]:
    """`dump`: what `/config_dump` answered."""
    found = managers(dump)
    if not found:
        return  # which is said already
    yield from _settings(dump, found, wanted)
    for manager in found:
        where = f"the listener with stat_prefix {manager.get('stat_prefix', '')!r}"
        yield from _switched_off(where, manager, dump, wanted)
        yield from _local_replies(where, manager)
        yield from _timeouts(where, manager)
    yield from _half_switched(dump, wanted)


def _settings(dump: Config, found: Sequence[Config], wanted: Wanted) -> Iterator[Finding]:
    inside = [each for manager in found for each in manager.get("http_filters", []) if "typed_config" in each]
    for each in [*under(dump, "ecds_filter"), *inside]:
        name, loaded = each.get("name", ""), each.get("typed_config", {})
        if name not in wanted.filters:
            continue
        ours, theirs = _flat(wanted.filters[name]), _flat(loaded)
        if differs := sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)):
            said = [f"{path} is {theirs.get(path, 'unset')}, not {ours.get(path, 'unset')}" for path in differs]
            more = f", and {len(said) - MAX_NAMED} more" if len(said) > MAX_NAMED else ""
            yield wrong(PART, f"the filter {name} is not this version's: {'; '.join(said[:MAX_NAMED])}{more}", RENDER)
        waits = float(str(loaded.get("timeout", "inf")).rstrip("s"))
        if name == RATELIMIT and waits <= wanted.queue_seconds:
            says = f"it waits {waits:g} s for {name}, while a request may be queued for {wanted.queue_seconds:g}"
            yield wrong(PART, f"{says}: the last of these are answered 503", RENDER)


def _switched_off(where: str, manager: Config, dump: Config, wanted: Wanted) -> Iterator[Finding]:
    off = [
        name
        for each in manager["http_filters"]
        if (name := each.get("name", "")) in wanted.filters and each.get(DISABLED)
    ]
    if off and len(off) < len([name for name in names_of(manager) if name in wanted.filters]):
        yield wrong(PART, f"{where} has {', '.join(off)} disabled, and its other filters not", ALL)
    elif off and not any(_on(switches) for switches in under(dump, SWITCHES)):
        yield wrong(PART, f"{where} has all filters disabled, and no route applies them: all requests pass", ALL)


def _on(switches: Config) -> bool:
    return any(name.startswith(PREFIX) and not each.get(DISABLED) for name, each in switches.items())


def _half_switched(dump: Config, wanted: Wanted) -> Iterator[Finding]:
    said = dict[str, None]()  # each once, in their order
    for place in walk(dump):
        switches = place.get(SWITCHES, {})
        named = {name for name in switches if name in wanted.filters}
        states = {bool(switches[name].get(DISABLED)) for name in named}
        if not named & DECIDE or (len(states) == 1 and named == set(wanted.filters)):
            continue
        what = "host" if "domains" in place else "route"
        name = place.get("name") or json.dumps(place.get("match", {}))
        said[f"the {what} {name} switches {', '.join(sorted(named))} alone: it is refused, or not counted"] = None
    for says in said:
        yield wrong(PART, says, ALL)


def _local_replies(where: str, manager: Config) -> Iterator[Finding]:
    mappers = manager.get("local_reply_config", {}).get("mappers", [])
    ours = [at for at, each in enumerate(mappers) if '"envoy.filters.http.ratelimit"' in json.dumps(each)]
    if not ours:
        yield wrong(
            PART, f"{where} has no local replies of Tollkeeper: what should be 403, 404 or 503 is a 429", MAPPERS
        )
    elif any("status_code_filter" in each.get("filter", {}) for each in mappers[: ours[-1]]):
        yield doubtful(PART, f"{where} has local replies ahead of Tollkeeper's, which take their refusals", MAPPERS)


def _timeouts(where: str, manager: Config) -> Iterator[Finding]:
    """Of routes in the listener itself."""
    cut = set[str]()
    for host in manager.get("route_config", {}).get("virtual_hosts", []):
        for route in host.get("routes", []):
            leads = route.get("route", {})
            switches = {**host.get(SWITCHES, {}), **route.get(SWITCHES, {})}
            exempt = any(each.get(DISABLED) for name, each in switches.items() if name.startswith(PREFIX))
            if leads and not exempt and leads.get("timeout", ROUTE_SECONDS) == ROUTE_SECONDS:
                cut.add(str(leads.get("cluster", "another")))
    if cut:
        to = ", ".join(sorted(cut))
        says = f"{where} has routes to {to} that cut every answer after {ROUTE_SECONDS}, Envoy's default"
        yield doubtful(PART, says, "set `timeout: 0s` on the routes to model servers")


def _flat(config: Any, path: str = "") -> dict[str, str]:
    """Each value by its path, as text."""
    if isinstance(config, Mapping):
        pairs = [(f"{path}.{name}" if path else name, each) for name, each in config.items() if name not in OWN]
    elif isinstance(config, list):
        pairs = [(f"{path}[{at}]", each) for at, each in enumerate(config)]
    else:
        return {} if config in UNSET else {path: str(config)}
    return {name: value for where, each in pairs for name, value in _flat(each, where).items()}

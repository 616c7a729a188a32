"""Where the requests for a model go: its endpoints and how they are called, or the models that an alias stands for.
Pure.

Sidecars of two versions read this from each other: fields are added at the end (values/trailing.py).
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from tenancy.values.endpoint import BadEndpoint, forbidden, parse_endpoint
from tenancy.values.trailing import filled

MAX_ENDPOINTS = 32
MAX_TARGETS = 32
MAX_SHARE = 1000  # the weight of an endpoint, or of what an alias stands for
MAX_PRIORITY = 9
MAX_RETRIES = 5
MAX_TIMEOUT_SECONDS = 3600
MAX_PATH = 1024
AUTHORIZATION = "authorization"
# A variable of the sidecar's environment, or a file in its directory of such secrets.
CREDENTIAL = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,127}|file:(?!\.)[A-Za-z0-9._-]{1,128}")
# Headers that say where a request goes, or how long it is, are Envoy's.
HEADER = re.compile(
    r"(?!(host|content-|transfer-encoding|connection|te|upgrade|x-envoy-|x-tollkeeper-))[a-z0-9][a-z0-9-]{0,63}"
)
HTTP_PATH = re.compile(r"/[!-~]{0,255}")
FILE = re.compile(r"/[^\x00-\x1f\x7f]{1,1023}")
CLUSTER = "tollkeeper_model_"


class Endpoint(NamedTuple):
    """One server of a model.  Of those of the lowest priority that are healthy each gets requests by its weight."""

    url: str
    weight: int = 1
    priority: int = 0
    credential: str | None = None
    """In place of the model's own."""


class Target(NamedTuple):
    """A model that an alias stands for, and its part of the requests."""

    model: str
    weight: int = 1


class Upstream(NamedTuple):
    """How a model is called.  Without endpoints the default upstream is called, under `name`; "" if the model has the
    same name there."""

    name: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    credential: str | None = None
    credential_header: str = AUTHORIZATION
    timeout_seconds: int | None = None
    """Until an answer begins; None: as long as requests may be silent."""
    retries: int = 2
    health_path: str | None = None
    """Asked every few seconds; None: an endpoint is unhealthy once it cannot be reached."""
    ca_file: str | None = None
    """Where Envoy has the certificates that its own are checked against; None: those of the system."""
    send_priority: bool = False
    """Whether requests say how urgent they are, in the field `priority` of vLLM's and SGLang's bodies."""

    def row(self) -> list[Any]:
        """As JSON has it; read by `of_row`."""
        return [self.name, [list(each) for each in self.endpoints], *self[2:]]

    @staticmethod
    def of_row(row: Sequence[Any]) -> "Upstream":
        name, endpoints, *rest = filled(row, Upstream())
        return Upstream(str(name or ""), tuple(map(_endpoint, endpoints)), *rest)


DEFAULT = Upstream()


def _endpoint(row: Sequence[Any]) -> Endpoint:
    defaults = ("", *Endpoint("")[1:])
    return Endpoint(*filled(row, defaults))


def cluster_of(model: str) -> str:
    """The name of the cluster of a model's endpoints in Envoy: model names have characters that cluster names may
    not."""
    return CLUSTER + hashlib.sha256(model.encode()).hexdigest()[:16]


def wrong_with_endpoints(endpoints: Sequence[Endpoint], *, link_local: bool = False) -> str:
    """What is wrong with the endpoints of a model, "" if nothing is.  `link_local`: whether such addresses may be."""
    if len(endpoints) > MAX_ENDPOINTS:
        return f"a model has at most {MAX_ENDPOINTS}"
    if len({each.url for each in endpoints}) < len(endpoints):
        return "one URL is there twice"
    for each in endpoints:
        if wrong := _wrong_with(each, link_local):
            return wrong
    return ""


def _wrong_with(endpoint: Endpoint, link_local: bool) -> str:
    try:
        place = parse_endpoint(endpoint.url)
    except BadEndpoint as error:
        return str(error)
    return "" if link_local else forbidden(place.host)


def wrong_with_targets(targets: Sequence[Target]) -> str:
    """What is wrong with the targets of an alias, "" if nothing is."""
    if len(targets) > MAX_TARGETS:
        return f"an alias stands for at most {MAX_TARGETS} models"
    return "a model is there twice" if len({each.model for each in targets}) < len(targets) else ""


def chosen(targets: Sequence[Target], serves: Callable[[str], bool], allowed: Collection[str] | None, pick: int) -> str:
    """The model that one request for an alias gets: of those that are served, and `allowed` unless that is None, by
    weight; "" if there is none.  `pick`: any number, evenly spread."""
    found = [each for each in targets if serves(each.model) and (allowed is None or each.model in allowed)]
    if not found:
        return ""
    at = pick % sum(each.weight for each in found)
    for each in found:
        at -= each.weight
        if at < 0:
            return each.model
    return found[-1].model


def dump_targets(targets: Mapping[str, Sequence[Target]]) -> dict[str, list[list[Any]]]:
    return {alias: [list(each) for each in them] for alias, them in targets.items()}


def load_targets(stored: Mapping[str, Sequence[Sequence[Any]]]) -> dict[str, tuple[Target, ...]]:
    return {alias: tuple(Target(str(each[0]), int(each[1])) for each in them) for alias, them in stored.items()}

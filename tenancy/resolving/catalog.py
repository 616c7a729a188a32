"""The model catalog: which models may be asked for, as a snapshot that the engine's thread reads without waiting.

While nothing in the registry was ever enabled, every model is admitted but those in it; from then on, only those in it.
How models are changed is directory/models.py.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

import structlog

from tenancy.resolving.catalog_prices import dump_prices, load_prices
from tenancy.resolving.records import StoreUnavailable
from tenancy.values.invalidation import INVALIDATE_ALL, INVALIDATE_MODELS
from tenancy.values.mcp import McpServer
from tenancy.values.policy import DEFAULT_WEIGHT
from tenancy.values.prices import Prices
from tenancy.values.response_cache import CacheTerms, load_caches
from tenancy.values.upstream import Target, Upstream, dump_targets, load_targets

log = structlog.get_logger(__name__)

# Changes are pushed; these bound what a lost push costs, and how long a snapshot is used while no store answers.
REFRESH_SECONDS = 15.0
RETRY_SECONDS = 1.0
STALE_SECONDS = 60.0
UNREADABLE = (ValueError, TypeError, KeyError, IndexError)


class ModelState(StrEnum):
    """What the catalog says about a model name."""

    KNOWN = "known"
    OTHER = "other"  # not registered, and goes to the default upstream beside those that are; it has no price
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    UNAVAILABLE = "unavailable"


# Looked up by its class, a member of an enumeration costs ten times as much.
KNOWN, UNKNOWN, DISABLED = ModelState.KNOWN, ModelState.UNKNOWN, ModelState.DISABLED


class Room(NamedTuple):
    """What a model has of its own: how many requests run at once, and how long others wait.  None: as everywhere."""

    max_in_flight: int | None = None
    queue_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class KnownModels:
    """The registry at one moment: by name, whether a model is enabled, and its prices if it has any.  A higher version
    was read later.  `closed`: only what is registered may be asked for, since some of it was enabled once; None: if
    there is any.  A registry of models that were never enabled bars those, and no others.  `created`: when a model was
    registered, in seconds since the epoch; missing if a version before wrote it.  `rooms`: of models that have any.
    `weights`: of fairshare groups, by name.  `upstreams`: of models that are not called as the default upstream is.
    `targets`: of aliases, which are among the enabled ones too.  `servers`: MCP servers that are enabled, by name.
    `caches`: of models whose answers are kept."""

    version: int
    enabled: Mapping[str, bool] = field(default_factory=dict)
    prices: Mapping[str, Prices] = field(default_factory=dict)
    closed: bool | None = None
    created: Mapping[str, int] = field(default_factory=dict)
    rooms: Mapping[str, Room] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    targets: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    servers: Mapping[str, McpServer] = field(default_factory=dict)
    caches: Mapping[str, CacheTerms] = field(default_factory=dict)

    def state(self, name: str) -> ModelState:
        """The state of a name; an alias is disabled while all its models are."""
        enabled = self.enabled.get(name)
        if name in self.targets and not any(self.enabled.get(each.model) for each in self.targets[name]):
            return DISABLED
        if enabled is None:
            return UNKNOWN if self.is_closed else KNOWN
        return KNOWN if enabled else DISABLED

    @property
    def is_closed(self) -> bool:
        return bool(self.enabled) if self.closed is None else self.closed

    def dump(self) -> str:
        """JSON: {"version":n,"models":[{"name","enabled","prices","exact_prices","price_set","created","room",
        "upstream","cache"}],"closed":b,"weights":{name:n},"targets":{name:[[model,n]]},"aliases":[name],
        "servers":{name:row}}.

        An alias is disabled for versions that do not know what one is; `aliases` are those that are enabled.

        The three about prices only if there are any.  `price_set` is all of them.  The others are for sidecars of
        versions that know input, output and cached alone: in millionths, and in hundred-millionths if those are
        rounded."""
        models = [
            {
                "name": name,
                "enabled": enabled and name not in self.targets,
                **dump_prices(self.prices.get(name)),
                **self._dump_rest(name),
            }
            for name, enabled in self.enabled.items()
        ]
        closed = {} if self.closed is None else {"closed": self.closed}
        weights = {"weights": dict(self.weights)} if self.weights else {}
        servers = {"servers": {name: each.row() for name, each in self.servers.items()}} if self.servers else {}
        return json.dumps(
            {"version": self.version, "models": models, **closed, **weights, **self._dump_aliases(), **servers},
            separators=(",", ":"),
        )

    def _dump_aliases(self) -> dict[str, object]:
        if not self.targets:
            return {}
        return {
            "targets": dump_targets(self.targets),
            "aliases": [name for name in self.targets if self.enabled.get(name)],
        }

    def _dump_rest(self, name: str) -> dict[str, object]:
        created: dict[str, object] = {"created": self.created[name]} if name in self.created else {}
        room: dict[str, object] = {"room": self.rooms[name]} if name in self.rooms else {}
        upstream = {"upstream": self.upstreams[name].row()} if name in self.upstreams else {}
        cache: dict[str, object] = {"cache": self.caches[name]} if name in self.caches else {}
        return {**created, **room, **upstream, **cache}

    @staticmethod
    def load(text: str | bytes) -> "KnownModels":
        """What `dump` wrote, in this version or another; ValueError, KeyError or TypeError for anything else."""
        fields = json.loads(text)
        enabled, prices = dict[str, bool](), dict[str, Prices]()
        created = {model["name"]: int(model["created"]) for model in fields["models"] if "created" in model}
        for model in fields["models"]:
            name, is_enabled = model["name"], bool(model["enabled"])
            try:
                if "prices" in model:
                    prices[name] = load_prices(model)
            except UNREADABLE as error:
                is_enabled = without_prices(name, error)
            enabled[name] = is_enabled
        rooms = {each["name"]: Room(*each["room"][: len(Room._fields)]) for each in fields["models"] if "room" in each}
        weights = {name: int(weight) for name, weight in fields.get("weights", {}).items()}
        enabled |= dict.fromkeys(fields.get("aliases", ()), True)
        return KnownModels(
            int(fields["version"]),
            enabled,
            prices,
            fields.get("closed"),
            created,
            rooms,
            weights,
            {each["name"]: Upstream.of_row(each["upstream"]) for each in fields["models"] if "upstream" in each},
            load_targets(fields.get("targets", {})),
            {name: McpServer.of_row(row) for name, row in fields.get("servers", {}).items()},
            load_caches([(each["name"], each["cache"]) for each in fields["models"] if "cache" in each]),
        )


def without_prices(model: str, error: Exception) -> bool:
    """Whether a model with unreadable prices is enabled: no, because unknown prices must not count as free."""
    log.error("prices of a model cannot be read, it is not served", model=model, error=repr(error))
    return False


class ModelSource(Protocol):
    """The source of truth."""

    async def load(self) -> KnownModels:
        """The registry as it is now; StoreUnavailable."""


class ModelCache(Protocol):
    """The copy that all processes share, for when the source cannot be asked.  Does not expire."""

    async def get(self) -> KnownModels | None:
        """None if nothing readable is stored; StoreUnavailable."""

    async def put(self, models: KnownModels) -> bool:
        """Stores it in one step, unless a higher version is there: then False; StoreUnavailable."""


class ModelCatalog:
    """`check` is for any thread; everything else belongs to the background loop.  `others`: whether models that are not
    registered may be asked for, whatever is."""

    def __init__(
        self,
        source: ModelSource,
        shared: ModelCache,
        *,
        clock: Callable[[], float] = time.monotonic,
        others: bool = False,
    ) -> None:
        self._source, self._shared, self._clock, self._others = source, shared, clock, others
        self._snapshot: tuple[KnownModels, float] | None = None  # and its end of use; replaced as one
        self._changed = asyncio.Event()

    def check(self, model: str) -> ModelState:
        """UNAVAILABLE until the first load, and once neither store has answered for STALE_SECONDS.  "": whether a
        request may name none."""
        known = self.known()
        if known is None:
            return ModelState.UNAVAILABLE
        state = known.state(model)
        return ModelState.OTHER if state is UNKNOWN and model and self._others else state

    def known(self) -> KnownModels | None:
        """The registry as it was last read; None while `check` says UNAVAILABLE."""
        snapshot = self._snapshot
        return None if snapshot is None or self._clock() >= snapshot[1] else snapshot[0]

    def prices(self, model: str) -> Prices | None:
        """The last known prices of the model, None if it has none."""
        return None if self._snapshot is None else self._snapshot[0].prices.get(model)

    def upstream(self, model: str) -> Upstream | None:
        """How the model was last known to be called; None: as the default upstream is."""
        return None if self._snapshot is None else self._snapshot[0].upstreams.get(model)

    def targets(self, alias: str) -> Sequence[Target]:
        """What an alias was last known to stand for; of a model, none."""
        return () if self._snapshot is None else self._snapshot[0].targets.get(alias, ())

    def group_weight(self, group: str) -> int:
        """The last known weight of a fairshare group."""
        return DEFAULT_WEIGHT if self._snapshot is None else self._snapshot[0].weights.get(group, DEFAULT_WEIGHT)

    def server(self, name: str) -> McpServer | None:
        """The MCP server as last known; None if there is none."""
        return None if self._snapshot is None else self._snapshot[0].servers.get(name)

    def cache(self, model: str) -> CacheTerms | None:
        """The last known terms of its response cache; None: it has none."""
        return None if self._snapshot is None else self._snapshot[0].caches.get(model)

    def price_list(self) -> Mapping[str, Prices] | None:
        """The prices of every model that has some.  None while `check` says UNAVAILABLE: unknown prices must not count
        as free."""
        known = self.known()
        return None if known is None else known.prices

    def subscribed(self) -> None:
        """Earlier changes may have been missed."""
        self._changed.set()

    def invalidate(self, message: str) -> None:
        """A message of the invalidation channel."""
        if message in (INVALIDATE_ALL, INVALIDATE_MODELS):
            self._changed.set()

    async def refresh(self) -> bool:
        """Takes a new snapshot from the source, or else from the shared copy; False if neither has one."""
        began = self._clock()
        try:
            models = await self._load()
        except StoreUnavailable:
            return False
        self._snapshot = (models, began + STALE_SECONDS)
        return True

    async def run(self) -> None:
        """Keeps the snapshot up to date until cancelled."""
        while True:
            self._changed.clear()  # before the load: a change during it causes another
            try:
                refreshed = await self.refresh()
            except Exception:  # the top of a background task
                log.exception("model catalog could not be refreshed")
                refreshed = False
            await self._wait(REFRESH_SECONDS if refreshed else RETRY_SECONDS)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _load(self) -> KnownModels:
        try:
            models = await self._source.load()
        except StoreUnavailable:
            stored = await self._shared.get()
            if stored is None:
                raise
            return stored
        try:
            await self._shared.put(models)
        except StoreUnavailable:
            log.warning("redis does not have the model catalog")
        return models

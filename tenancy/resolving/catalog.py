"""The model catalog: which models may be asked for, as a snapshot that the engine's thread reads without waiting.

An empty registry admits every model; the first entry makes it the whole list.  The write side is tenancy/registry.py.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import structlog

from tenancy.redis.names import INVALIDATE_ALL, INVALIDATE_MODELS
from tenancy.resolving.records import StoreUnavailable
from tenancy.values.prices import Prices

log = structlog.get_logger(__name__)

# Seconds.  A change is pushed; these bound what a lost push costs, and how long a snapshot outlives both stores.
REFRESH_SECONDS = 15.0
RETRY_SECONDS = 1.0
STALE_SECONDS = 60.0


class ModelState(StrEnum):
    """What the catalog says of a model name."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Models:
    """The registry at one moment: enabled or not, by name, and the prices of those that have any.  A higher version was
    read later."""

    version: int
    enabled: Mapping[str, bool] = field(default_factory=dict)
    prices: Mapping[str, Prices] = field(default_factory=dict)

    def state(self, name: str) -> ModelState:
        if not self.enabled:
            return ModelState.KNOWN
        enabled = self.enabled.get(name)
        if enabled is None:
            return ModelState.UNKNOWN
        return ModelState.KNOWN if enabled else ModelState.DISABLED

    def dump(self) -> str:
        """JSON: {"version":n,"models":[{"name","enabled","prices","exact_prices"}]}.  `prices` (input, output, cached,
        in millionths) only if there are any; `exact_prices` (in hundred-millionths) only if those are rounded."""
        models = [
            {"name": name, "enabled": enabled, **_dump_prices(self.prices.get(name))}
            for name, enabled in self.enabled.items()
        ]
        return json.dumps({"version": self.version, "models": models}, separators=(",", ":"))

    @staticmethod
    def load(text: str | bytes) -> "Models":
        """What `dump` wrote; ValueError, KeyError or TypeError for anything else."""
        fields = json.loads(text)
        return Models(
            int(fields["version"]),
            {model["name"]: bool(model["enabled"]) for model in fields["models"]},
            {model["name"]: _load_prices(model) for model in fields["models"] if "prices" in model},
        )


def _dump_prices(prices: Prices | None) -> dict[str, object]:
    if prices is None:
        return {}
    rounded = prices.in_millionths()
    exact = Prices.of_millionths(*rounded) == prices
    return {"prices": rounded} if exact else {"prices": rounded, "exact_prices": astuple(prices)}


def _load_prices(model: Mapping[str, Any]) -> Prices:
    if "exact_prices" in model:
        return Prices(*map(int, model["exact_prices"]))
    return Prices.of_millionths(*map(int, model["prices"]))


class ModelSource(Protocol):
    """The truth."""

    async def load(self) -> Models:
        """The registry now; StoreUnavailable."""


class ModelCache(Protocol):
    """The copy that all processes share, for when the truth cannot be asked.  Does not expire."""

    async def get(self) -> Models | None:
        """What is stored, None if nothing (readable) is; StoreUnavailable."""

    async def put(self, models: Models) -> bool:
        """Stores it, in one step, unless a higher version is there: then False; StoreUnavailable."""


class MemoryModels:
    """A source that is filled by hand."""

    def __init__(self) -> None:
        self.models = Models(0)

    async def load(self) -> Models:
        return self.models


class MemoryModelCache:
    """The shared copy of a single process."""

    def __init__(self) -> None:
        self._models: Models | None = None

    async def get(self) -> Models | None:
        return self._models

    async def put(self, models: Models) -> bool:
        if self._models is not None and self._models.version > models.version:
            return False
        self._models = models
        return True


class ModelCatalog:
    """`check` is for any thread; everything else belongs to the background loop."""

    def __init__(self, source: ModelSource, shared: ModelCache, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._shared, self._clock = source, shared, clock
        self._snapshot: tuple[Models, float] | None = None  # and until when it may be used; replaced as one
        self._changed = asyncio.Event()

    def check(self, model: str) -> ModelState:
        """UNAVAILABLE until the first load, and once neither store has answered for STALE_SECONDS."""
        snapshot = self._snapshot
        if snapshot is None or self._clock() >= snapshot[1]:
            return ModelState.UNAVAILABLE
        return snapshot[0].state(model)

    def prices(self, model: str) -> Prices | None:
        """The last that were heard of; None if the model has none."""
        return None if self._snapshot is None else self._snapshot[0].prices.get(model)

    def price_list(self) -> Mapping[str, Prices] | None:
        """Of every model that has prices.  None while `check` says UNAVAILABLE: free is not the same as not known."""
        snapshot = self._snapshot
        return None if snapshot is None or self._clock() >= snapshot[1] else snapshot[0].prices

    def subscribed(self) -> None:
        """Changes may have been missed until now."""
        self._changed.set()

    def invalidate(self, message: str) -> None:
        """A message of the invalidation channel."""
        if message in (INVALIDATE_ALL, INVALIDATE_MODELS):
            self._changed.set()

    async def refresh(self) -> bool:
        """Takes a new snapshot from Postgres, else from Redis; False if neither has one."""
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

    async def _load(self) -> Models:
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

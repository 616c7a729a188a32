"""The prices that models had: each price set stays under its version, so that what was charged can be explained.

No method changes anything: versions are made in the transaction of a change of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tenancy.values.prices import Prices


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """A price set, and since when it was in force for a model (as the model was then called).  `named` is the set as it
    was given, as JSON."""

    version: int
    model_id: str
    model: str
    since: datetime
    named: str

    def prices(self) -> Prices:
        return Prices.read(self.named, self.version)


class PriceHistory(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists."""

    async def any_in_force(self) -> bool:
        """Whether any registered model has a price."""

    async def versions(self, versions: Sequence[int]) -> Mapping[int, PriceVersion]:
        """By version; those that there are none of are missing."""

    async def of_model(self, model_id: str, limit: int, before: int | None = None) -> tuple[PriceVersion, ...]:
        """At most `limit` of a model, also of a deleted one, newest first, below the version."""

"""The model registry from Postgres."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenancy.postgres.records import FAILURES
from tenancy.resolving.catalog import Models
from tenancy.resolving.records import StoreUnavailable
from tenancy.values.prices import FREE, Prices

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

# One row even if there is no model.  The version is the time of the reading in microseconds: a reading made after a
# change always replaces one made before it, which is all that is needed, since each change causes a reading.
SELECT = """
SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS version,
       coalesce(array_agg(name ORDER BY name), '{}') AS names,
       coalesce(array_agg(enabled ORDER BY name), '{}') AS enabled,
       coalesce(array_agg(input_price ORDER BY name), '{}') AS input_prices,
       coalesce(array_agg(output_price ORDER BY name), '{}') AS output_prices,
       coalesce(array_agg(cached_price ORDER BY name), '{}') AS cached_prices
FROM models
"""


class PostgresModels:
    """See ModelSource.  Each of getting a connection and the query ends within `timeout` s."""

    def __init__(self, pool: "Pool", timeout: float = 0.5) -> None:
        self._pool, self._timeout = pool, timeout

    async def load(self) -> Models:
        try:
            async with self._pool.acquire(timeout=self._timeout) as connection:
                return models_of(await connection.fetch(SELECT, timeout=self._timeout))
        except FAILURES as error:
            raise StoreUnavailable(f"postgres: {error or type(error).__name__}") from error


def models_of(rows: "Sequence[asyncpg.Record]") -> Models:
    """The one row of SELECT."""
    (row,) = rows
    prices = map(Prices.of, row["input_prices"], row["output_prices"], row["cached_prices"])
    return Models(
        row["version"],
        dict(zip(row["names"], row["enabled"], strict=True)),
        {name: each for name, each in zip(row["names"], prices, strict=True) if each != FREE},
    )

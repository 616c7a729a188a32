"""The model registry from Postgres, as the catalog reads it."""

from collections.abc import Sequence

from store.postgres import PostgresPool, Row
from tenancy.postgres.records import fetch_in_time
from tenancy.resolving.catalog import KnownModels
from tenancy.values.prices import FREE, Prices

# One row even if there are no models.  The version is the time of reading, in microseconds, so that a later reading
# replaces an earlier one; that is enough, since each change causes a reading.
SELECT = """
SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS version,
       coalesce(array_agg(name ORDER BY name), '{}') AS names,
       coalesce(array_agg(enabled ORDER BY name), '{}') AS enabled,
       coalesce(array_agg(input_price ORDER BY name), '{}') AS input_prices,
       coalesce(array_agg(output_price ORDER BY name), '{}') AS output_prices,
       coalesce(array_agg(cached_price ORDER BY name), '{}') AS cached_prices
FROM models
"""


class PostgresModelSource:
    """See ModelSource and fetch_in_time."""

    def __init__(self, pool: PostgresPool, timeout: float = 0.5) -> None:
        self._pool, self._timeout = pool, timeout

    async def load(self) -> KnownModels:
        return models_of(await fetch_in_time(self._pool, self._timeout, SELECT))


def models_of(rows: Sequence[Row]) -> KnownModels:
    """The one row of SELECT."""
    (row,) = rows
    prices = map(Prices.of, row["input_prices"], row["output_prices"], row["cached_prices"])
    return KnownModels(
        row["version"],
        dict(zip(row["names"], row["enabled"], strict=True)),
        {name: each for name, each in zip(row["names"], prices, strict=True) if each != FREE},
    )

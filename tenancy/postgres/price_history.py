"""The history of models' prices in Postgres; written by a trigger of the table `models`."""

from collections.abc import Mapping, Sequence

from store.postgres import PostgresPool, reading
from tenancy.directory.price_history import PriceVersion

COLUMNS = "version, model_id, model, since, prices::text"
ANY = "SELECT EXISTS (SELECT FROM models WHERE price_version IS NOT NULL)"
VERSIONS = f"SELECT {COLUMNS} FROM model_prices WHERE version = ANY ($1::bigint[])"
OF_MODEL = f"""
SELECT {COLUMNS} FROM model_prices
WHERE model_id = $1 AND ($3::bigint IS NULL OR version < $3) ORDER BY version DESC LIMIT $2
"""


class PostgresPriceHistory:
    """Implements tenancy.directory.price_history.PriceHistory."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def any_in_force(self) -> bool:
        async with reading(self._pool) as connection:
            return bool(await connection.fetchval(ANY))

    async def versions(self, versions: Sequence[int]) -> Mapping[int, PriceVersion]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(VERSIONS, [*versions])
        return {row["version"]: PriceVersion(*row) for row in rows}

    async def of_model(self, model_id: str, limit: int, before: int | None = None) -> tuple[PriceVersion, ...]:
        async with reading(self._pool) as connection:
            return tuple(PriceVersion(*row) for row in await connection.fetch(OF_MODEL, model_id, limit, before))

"""The tenants and keys of a benchmark, from one to a million, copied into Postgres.  A key's secret follows from its
number, so none has to be stored."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg

from tenancy.values.secret import hash_secret, prefix_of

# Never reached: benchmarks measure admission.
TOKENS_PER_MINUTE = 10**12


@dataclass(frozen=True, slots=True)
class Population:
    """`keys` keys spread evenly over `tenants` tenants.  `name` keeps the ids of two populations apart."""

    name: str
    tenants: int
    keys: int

    def tenant_id(self, key: int) -> str:
        return f"{self.name}-t{key % self.tenants}"

    def key_id(self, key: int) -> str:
        return f"{self.name}-k{key}"

    def secret(self, key: int) -> str:
        return "sk_" + hashlib.sha256(f"{self.name} {key}".encode()).hexdigest()[:48]


async def insert(database_url: str, population: Population, tokens_per_minute: int = TOKENS_PER_MINUTE) -> None:
    """Every tenant and every key gets a token limit, so that each request takes from two budgets."""
    connection = await asyncpg.connect(database_url, command_timeout=300)
    try:
        await connection.execute("SET session_replication_role = replica")  # every reference is right: not checked
        tenants = (
            (population.tenant_id(n), population.tenant_id(n), tokens_per_minute) for n in range(population.tenants)
        )
        await connection.copy_records_to_table("tenants", records=tenants, columns=("id", "name", "tokens_per_minute"))
        columns = ("id", "tenant_id", "name", "key_hash", "key_prefix", "tokens_per_minute")
        await connection.copy_records_to_table(
            "api_keys", records=_keys(population, tokens_per_minute), columns=columns
        )
        await connection.execute("ANALYZE tenants, api_keys")
    finally:
        await connection.close()


def _keys(population: Population, tokens_per_minute: int) -> Iterator[tuple[str, str, str, str, str, int]]:
    for n in range(population.keys):
        secret, key_id = population.secret(n), population.key_id(n)
        yield key_id, population.tenant_id(n), key_id, hash_secret(secret), prefix_of(secret), tokens_per_minute

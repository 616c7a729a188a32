"""Tenants and keys, written straight into the database: these tests are about reading."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tenancy.values.key_record import KeyRecord
from tenancy.values.secret import hash_secret, mint_secret


@dataclass(frozen=True)
class Issued:
    """A key that exists."""

    id: str
    secret: str
    tenant_id: str

    @property
    def hash(self) -> str:
        return hash_secret(self.secret)


def a_record(**changes: object) -> KeyRecord:
    fields: dict[str, object] = {
        "version": 1,
        "key_id": "key-1",
        "key_name": "prod",
        "tenant_id": "acme",
        "tenant_name": "Acme",
        "fairshare_group": "default",
        "weight": 100,
    }
    return KeyRecord(**{**fields, **changes})  # type: ignore[arg-type]


class People:
    """Changes as the write side makes them: the tenant's version counted up, a row in the outbox, one transaction."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def execute(self, statement: str, *arguments: object) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    async def issue(
        self,
        tenant_id: str = "acme",
        *,
        user_id: str | None = None,
        disabled: bool = False,
        expires_at: datetime | None = None,
    ) -> Issued:
        secret = mint_secret()
        key = Issued(f"key-{secret[3:11]}", secret, tenant_id)
        await self.execute("INSERT INTO tenants (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING", tenant_id)
        if user_id is not None:
            await self.execute(
                "INSERT INTO users (tenant_id, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", tenant_id, user_id
            )
        await self.execute(
            "INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, disabled, expires_at)"
            " VALUES ($1, $2, $3, 'prod', $4, $5, $6, $7)",
            *(key.id, tenant_id, user_id, key.hash, secret[:18], disabled, expires_at),
        )
        return key

    async def disable(self, key: Issued) -> None:
        await self._change(key, "UPDATE api_keys SET disabled = true WHERE id = $1")

    async def delete(self, key: Issued) -> None:
        await self._change(key, "DELETE FROM api_keys WHERE id = $1")

    async def _change(self, key: Issued, statement: str) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            async with connection.transaction():
                version = await connection.fetchval(
                    "UPDATE tenants SET version = version + 1 WHERE id = $1 RETURNING version", key.tenant_id
                )
                await connection.execute(statement, key.id)
                await connection.execute(
                    "INSERT INTO redis_outbox (key_hash, version) VALUES ($1, $2)", key.hash, version
                )
        finally:
            await connection.close()

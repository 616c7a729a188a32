"""A receiver for each test, and webhooks that lead to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from admin.access.webhook_secrets import WebhookSecrets
from store.postgres import PostgresPool, open_postgres
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.webhooks.webhooks import Delivery, Event, EventKind, NewWebhook, Webhook
from tenancy.postgres.webhooks import events
from tenancy.postgres.webhooks.webhooks import PostgresWebhooks
from tests.admin.webhooks.receiver import Receiver, receiving
from tests.admin.webhooks.sender import SECRET, deliverer
from tests.conftest import PATIENT

BY = ChangeRequest("admin")
SECRETS = WebhookSecrets([SECRET])


@dataclass
class Hooks:
    """Webhooks in a database, and the processes that send."""

    pool: PostgresPool

    @property
    def port(self) -> PostgresWebhooks:
        return PostgresWebhooks(self.pool)

    async def hook(self, url: str, name: str = "hook", **fields: Any) -> tuple[Webhook, str]:
        salt = SECRETS.new_salt()
        return await self.port.create(NewWebhook(name, url, **fields), salt, BY), SECRETS.shown(salt)

    async def happen(self, count: int = 1) -> None:
        async with self.pool.acquire() as connection:
            for number in range(count):
                await events.write(connection, Event(EventKind.TENANT_CREATED, "acme", {"number": number}))

    @contextlib.asynccontextmanager
    async def sending(self, **terms: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(deliverer(self.pool, **terms).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ended(self, webhook: Webhook, count: int = 1, seconds: float = 20.0) -> list[Delivery]:
        """Its deliveries, oldest first, once so many have come to an end."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.port.deliveries(webhook.id, 1000)
                if sum(each.state != "waiting" for each in found) >= count:
                    return [*reversed(found)]
                await asyncio.sleep(0.02)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
async def hooks(database_url: str) -> AsyncIterator[Hooks]:
    async with open_postgres(database_url, timeout=PATIENT, size=8) as pool:
        yield Hooks(pool)

"""A process that sends webhooks, to be killed: `python -m tests.admin.webhooks.sender DATABASE_URL SECONDS`."""

import asyncio
import sys

from admin.access.webhook_secrets import WebhookSecrets
from admin.metrics import AdminMetrics
from admin.webhooks.deliverer import Deliverer
from admin.webhooks.sending import Sender
from store.postgres import PostgresPool, open_postgres
from tenancy.postgres.webhooks.queue import WebhookQueue
from tenancy.values.receiver import Reach

SECRET = "of the senders in tests, 32 characters"
HERE = Reach(private=True, loopback=True)
SOON = (0.05, 0.05)


def deliverer(
    pool: PostgresPool,
    *,
    taken_seconds: float = 60.0,
    seconds: float = 10.0,
    reach: Reach = HERE,
    metrics: AdminMetrics | None = None,
) -> Deliverer:
    """One that tries three times, quickly."""
    sender = Sender(WebhookSecrets([SECRET]), reach, reach, seconds)
    return Deliverer(WebhookQueue(pool, taken_seconds), sender, metrics or AdminMetrics(), SOON)


async def _run(url: str, taken_seconds: float) -> None:
    async with open_postgres(url, timeout=30.0) as pool:
        await deliverer(pool, taken_seconds=taken_seconds).run()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], float(sys.argv[2])))

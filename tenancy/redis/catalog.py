"""The shared copy of the model registry in Redis: `tollkeeper:models`, plain JSON."""

from typing import TYPE_CHECKING, cast

import structlog

from tenancy.redis.names import MODELS_KEY
from tenancy.redis.records import PUT_RECORD, answer
from tenancy.resolving.catalog import KnownModels

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

log = structlog.get_logger(__name__)
FOREVER_SECONDS = 0


class RedisModelCache:
    """See ModelCache.  The client brings the deadlines."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    async def get(self) -> KnownModels | None:
        text = await answer(lambda: self._client.get(MODELS_KEY))
        try:
            return None if text is None else KnownModels.load(cast(bytes, text))
        except (ValueError, TypeError, KeyError) as error:
            log.warning("unreadable model catalog in redis", error=type(error).__name__)
            return None

    async def put(self, models: KnownModels) -> bool:
        arguments = (str(models.version), models.dump(), str(FOREVER_SECONDS))
        reply = await answer(lambda: self._client.eval(PUT_RECORD, 1, MODELS_KEY, *arguments))
        return bool(reply == 1)

"""The shared copy of the model registry in Redis: `tollkeeper:models`, plain JSON."""

import structlog

from tenancy.redis.names import MODELS_KEY
from tenancy.redis.versioned import Client, put_versioned, text_at
from tenancy.resolving.catalog import KnownModels

log = structlog.get_logger(__name__)


class RedisModelCache:
    """See ModelCache.  The client brings the deadlines."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self) -> KnownModels | None:
        text = await text_at(self._client, MODELS_KEY)
        try:
            return None if text is None else KnownModels.load(text)
        except (ValueError, TypeError, KeyError) as error:
            log.warning("unreadable model catalog in redis", error=type(error).__name__)
            return None

    async def put(self, models: KnownModels) -> bool:
        return await put_versioned(self._client, MODELS_KEY, models.version, models.dump())

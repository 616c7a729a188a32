"""Asks sidecars, before a model is stored, whether its endpoints can be used as it says: the names, secrets and
certificates that it needs are on Envoy's side.

A question goes to all sidecars that listen, and waits a while for their answers; a sidecar that does not answer is
ignored.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

from tenancy.redis.names import TRIALS_CHANNEL, redis_key_trial
from tenancy.redis.versioned import Client
from tenancy.values.upstream import Upstream

WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.05
KEEP_SECONDS = 30


class Trial(NamedTuple):
    """A question."""

    id: str
    model: str
    upstream: Upstream

    def dump(self) -> str:
        return json.dumps([self.id, self.model, self.upstream.row()])

    @staticmethod
    def load(text: str) -> "Trial":
        """Raises ValueError, TypeError, IndexError or KeyError for anything that is not a trial."""
        id_, model, row, *_ = json.loads(text)
        return Trial(str(id_), str(model), Upstream.of_row(row))


class RedisTrials:
    """The client brings the deadlines of single commands."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock

    async def refused(self, model: str, upstream: Upstream) -> str:
        """The reason of the first sidecar that could not send requests there; "" if none reports one.

        store.redis.UNAVAILABLE.
        """
        trial = Trial(uuid.uuid4().hex, model, upstream)
        asked = int(await self._client.publish(TRIALS_CHANNEL, trial.dump()))
        until = self._clock() + WAIT_SECONDS
        while asked and self._clock() < until:
            answers = await self._client.lrange(redis_key_trial(trial.id), 0, -1)
            if wrong := next(filter(None, answers), None):
                return wrong.decode(errors="replace") if isinstance(wrong, bytes) else str(wrong)
            if len(answers) >= asked:
                return ""
            await asyncio.sleep(LOOK_SECONDS)
        return ""

    async def answer(self, trial: Trial, wrong: str) -> None:
        """`wrong`: the reason, "" if there is none. store.redis.UNAVAILABLE."""
        key = redis_key_trial(trial.id)
        await self._client.rpush(key, wrong)
        await self._client.expire(key, KEEP_SECONDS)

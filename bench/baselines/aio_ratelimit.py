"""Baselines of `ratelimit`: ShouldRateLimit on plain grpc.aio with the generated stubs, one EVALSHA a call.

A token bucket for each limit of the policy, all or none.  With a lease it leaves the same in Redis and gives the same
answer as ours; without, it debits and says little.  No models, no other limits, no failure mode, no metrics.
usage: aio_ratelimit SOCKET REDIS_SOCKET [lease]
"""

import functools
import json
import sys
import time
import uuid
from typing import Any

from redis.asyncio import Redis

from bench.baselines import aio
from protos.envoy.config.core.v3.base_pb2 import HeaderValue
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse

QUOTES = str.maketrans("\"'", "'\"")
METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
# KEYS: buckets, then perhaps the leases of the tenant and the lease.  ARGV: cost, number of buckets, capacity and
# window in ms of each, then perhaps lease id and lease.  Reply: admitted 1|0, levels.
SCRIPT = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local cost, buckets, admitted, levels = tonumber(ARGV[1]), tonumber(ARGV[2]), 1, {}
for i = 1, buckets do
  local capacity, window_ms = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local stored = redis.call('HMGET', KEYS[i], 'level', 'at_ms')
  local level = tonumber(stored[1]) or capacity
  if stored[2] then level = math.min(capacity, level + math.floor((now_ms - stored[2]) * capacity / window_ms)) end
  if level < cost then admitted = 0 end
  levels[i] = level
end
if admitted == 1 then
  for i = 1, buckets do
    levels[i] = levels[i] - cost
    redis.call('HSET', KEYS[i], 'level', levels[i], 'at_ms', now_ms)
    redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[2 * i + 2]))
  end
  if #KEYS > buckets then
    redis.call('SET', KEYS[buckets + 2], ARGV[#ARGV], 'PX', 600000)
    redis.call('ZADD', KEYS[buckets + 1], now_ms + 600000, ARGV[#ARGV - 1])
  end
end
return {admitted, unpack(levels)}
"""


class RateLimit:
    def __init__(self, client: Any, *, lease: bool) -> None:
        self._client, self._lease = client, lease

    async def start(self) -> None:
        self._sha = await self._client.script_load(SCRIPT)

    async def should_rate_limit(self, request: RateLimitRequest, context: Any) -> RateLimitResponse:
        entries = {entry.key: entry.value for entry in request.descriptors[0].entries}
        tenant_id, key_id, limits = policy(entries["policy"])
        asked = json.loads(entries["asked"])
        # What the product estimates for this text, with less work.
        input_tokens, output_cap = asked["text"][0] // 4 + asked["strings"], asked["max_tokens"]
        cost = input_tokens + output_cap
        keys = [f"aio:{{{tenant_id}}}:{name}" for name, _, _ in limits]
        arguments: list[Any] = [cost, len(limits), *(number for _, *rule in limits for number in rule)]
        fields: dict[str, Any] = {
            "tenant_id": tenant_id,
            "key_id": key_id,
            "model": asked["model"],
            "reserved_tokens": cost,
        }
        if self._lease:
            fields |= {"lease_id": lease_id(), "input_estimate": input_tokens, "output_cap": output_cap}
            fields |= {"inference": True, "admission": "fast"}
            lease = {**fields, "budgets": keys, "path": entries["path"]}
            keys += [f"aio:leases:{{{tenant_id}}}", f"aio:lease:{{{tenant_id}}}:{fields['lease_id']}"]
            arguments += [fields["lease_id"], json.dumps(lease)]
        admitted, *levels = await self._client.evalsha(self._sha, len(keys), *keys, *arguments)
        return self._answer(admitted, limits, levels, fields)

    def _answer(
        self, admitted: int, limits: list[tuple[str, int, int]], levels: list[int], fields: dict[str, Any]
    ) -> RateLimitResponse:
        level, capacity, window_ms = min((level, *rule) for level, (_, *rule) in zip(levels, limits, strict=True))
        left = {"limit": str(capacity), "remaining": str(level)}
        if self._lease:
            left["reset"] = f"{(capacity - level) * window_ms // capacity}ms"
        headers = {f"x-ratelimit-{name}-tokens": value for name, value in left.items()}
        if self._lease:
            headers |= {"x-admission": "fast", "x-queue-ms": "0"}
        response = RateLimitResponse(
            overall_code=RateLimitResponse.OK if admitted else RateLimitResponse.OVER_LIMIT,
            response_headers_to_add=[HeaderValue(key=name, value=value) for name, value in headers.items()],
        )
        # As the product: what Envoy reads of a decision, and all of it as one text, where quotes are exchanged.
        told = {"admission": "fast", "decision": " " + json.dumps(fields).translate(QUOTES)} if self._lease else fields
        response.dynamic_metadata.update(told)
        return response


@functools.lru_cache(10_000)
def policy(text: str) -> tuple[str, str, list[tuple[str, int, int]]]:
    """Tenant, key, and the limits that count tokens: name, capacity, window in ms."""
    tenant_id, key_id, _, _, _, _, _, limits = json.loads(text)
    found = [(f"{scope}:{subject}", amount, window * 1000) for scope, _, amount, window, subject in limits]
    return tenant_id, key_id, found


def lease_id() -> str:
    """A UUIDv7, which Python has from 3.14 on."""
    random = uuid.uuid4().int & ~(0xFFFF_FFFF_FFFF_F << 76)
    return str(uuid.UUID(int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | random))


async def serve(socket: str, redis_socket: str, *options: str) -> None:
    service = RateLimit(Redis(unix_socket_path=redis_socket), lease="lease" in options)
    await service.start()
    read, write = RateLimitRequest.FromString, RateLimitResponse.SerializeToString
    await aio.serve(socket, METHOD, service.should_rate_limit, read, write)


if __name__ == "__main__":
    aio.run(serve(*sys.argv[1:]))

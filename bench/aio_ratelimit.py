"""Baseline of `ratelimit`: ShouldRateLimit on plain grpc.aio with the generated stubs, one EVALSHA a call.

A token bucket for each limit of the policy, all or none; no leases, no settling, no models, no metrics.
usage: aio_ratelimit SOCKET REDIS_SOCKET
"""

import functools
import json
import sys
from typing import Any

import grpc
from redis import asyncio as aio

from bench.aio_check import run
from protos.envoy.config.core.v3.base_pb2 import HeaderValue
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse

# KEYS: buckets.  ARGV: cost, then capacity and window in ms of each.  Reply: admitted 1|0, levels.
SCRIPT = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local cost, admitted, levels = tonumber(ARGV[1]), 1, {}
for i, key in ipairs(KEYS) do
  local capacity, window_ms = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local stored = redis.call('HMGET', key, 'level', 'at_ms')
  local level = tonumber(stored[1]) or capacity
  if stored[2] then level = math.min(capacity, level + math.floor((now_ms - stored[2]) * capacity / window_ms)) end
  if level < cost then admitted = 0 end
  levels[i] = level
end
for i, key in ipairs(KEYS) do
  if admitted == 1 then
    levels[i] = levels[i] - cost
    redis.call('HSET', key, 'level', levels[i], 'at_ms', now_ms)
    redis.call('PEXPIRE', key, tonumber(ARGV[2 * i + 1]))
  end
end
return {admitted, unpack(levels)}
"""


class RateLimit:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def start(self) -> None:
        self._sha = await self._client.script_load(SCRIPT)

    async def should_rate_limit(self, request: RateLimitRequest, context: Any) -> RateLimitResponse:
        entries = {entry.key: entry.value for entry in request.descriptors[0].entries}
        tenant_id, key_id, limits = policy(entries["policy"])
        cost = int(entries["max_tokens"]) + int(entries["content_length"]) // 4
        keys = [f"aio:{{{tenant_id}}}:{name}" for name, _, _ in limits]
        rules = [number for _, capacity, window_ms in limits for number in (capacity, window_ms)]
        admitted, *levels = await self._client.evalsha(self._sha, len(keys), *keys, cost, *rules)
        code = RateLimitResponse.OK if admitted else RateLimitResponse.OVER_LIMIT
        headers = {"x-ratelimit-limit-tokens": limits[0][1], "x-ratelimit-remaining-tokens": min(levels)}
        response = RateLimitResponse(
            overall_code=code,
            response_headers_to_add=[HeaderValue(key=key, value=str(value)) for key, value in headers.items()],
        )
        said: dict[str, Any] = {
            "tenant_id": tenant_id,
            "key_id": key_id,
            "model": entries["model"],
            "reserved_tokens": cost,
        }
        response.dynamic_metadata.update(said)
        return response


@functools.lru_cache(10_000)
def policy(text: str) -> tuple[str, str, list[tuple[str, int, int]]]:
    """Tenant, key, and the limits that count tokens: name, capacity, window in ms."""
    tenant_id, key_id, _, _, _, _, _, limits = json.loads(text)
    found = [(f"{scope}:{subject}", amount, window * 1000) for scope, _, amount, window, subject in limits]
    return tenant_id, key_id, found


async def serve(socket: str, redis_socket: str) -> None:
    service = RateLimit(aio.Redis(unix_socket_path=redis_socket))
    await service.start()
    method = grpc.unary_unary_rpc_method_handler(
        service.should_rate_limit, RateLimitRequest.FromString, RateLimitResponse.SerializeToString
    )
    server = grpc.aio.server()
    name, handlers = "envoy.service.ratelimit.v3.RateLimitService", {"ShouldRateLimit": method}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    run(serve(*sys.argv[1:]))

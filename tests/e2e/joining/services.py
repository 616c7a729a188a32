"""Authentication and rate limits of somebody's own, as gRPC services.

Each writes dynamic metadata into the namespace that it shares with Tollkeeper's filter, and refuses who asks for it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from protos.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse

DENIED_BODY = "mine says no"
TOKEN = "Bearer my.own.jwt"


def check(request: CheckRequest, _context: object) -> CheckResponse:
    """Passes TOKEN, and refuses others with 403."""
    metadata = {"mine": "authenticated"}
    if request.attributes.request.http.headers.get("authorization") == TOKEN:
        return CheckResponse(status={"code": 0}, ok_response={}, dynamic_metadata=metadata)
    return CheckResponse(
        status={"code": 7}, denied_response={"status": {"code": 403}, "body": DENIED_BODY}, dynamic_metadata=metadata
    )


def should_rate_limit(request: RateLimitRequest, _context: object) -> RateLimitResponse:
    limited = any(entry.value == "too much" for each in request.descriptors for entry in each.entries)
    code = RateLimitResponse.OVER_LIMIT if limited else RateLimitResponse.OK
    return RateLimitResponse(overall_code=code, dynamic_metadata={"mine": "counted"})


@contextmanager
def serving() -> Iterator[str]:
    """Its URL."""
    server = grpc.server(ThreadPoolExecutor(2))
    for service, method, handler, request in (
        ("envoy.service.auth.v3.Authorization", "Check", check, CheckRequest),
        ("envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit", should_rate_limit, RateLimitRequest),
    ):
        unary = grpc.unary_unary_rpc_method_handler(
            handler,
            request_deserializer=request.FromString,
            response_serializer=lambda answer: bytes(answer.SerializeToString()),
        )
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: unary})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None)

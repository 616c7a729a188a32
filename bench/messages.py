"""The messages that Envoy sends under our configuration: Check, ShouldRateLimit, access log entry."""

import json
import time
from typing import Any

from google.protobuf.struct_pb2 import Struct

from protos.envoy.config.core.v3.base_pb2 import RequestMethod
from protos.envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor
from protos.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from protos.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest

MODEL = "mock-model"
PATH = "/v1/chat/completions"
BODY_BYTES = 120
MAX_TOKENS = 32
INPUT_TOKENS, OUTPUT_TOKENS = 12, 30
# What the meter makes of a chat request with one short message.
ASKED = json.dumps(
    {
        "model": MODEL,
        "max_tokens": MAX_TOKENS,
        "strings": 2,
        "text": [44, 44, 33, 1, 0, 7, 3, *[0] * 7, 8, 0, 0, 0, 3, 0],
    },
    separators=(",", ":"),
)
OLD_ID = "01936b3f-6c00-7abc-8def-0123456789ab"  # ratelimit mints a new one for each call
REQUEST_ID = "6c4b5fa8-3a0c-4a32-8e1f-0a5d7c9b2e11"


def check(secret: str) -> bytes:
    """Check, for a client that sends its key as a bearer token."""
    request = CheckRequest()
    source = request.attributes.source.address.socket_address
    source.address, source.port_value = "127.0.0.1", 53412
    destination = request.attributes.destination.address.socket_address
    destination.address, destination.port_value = "127.0.0.1", 10000
    request.attributes.request.time.FromNanoseconds(time.time_ns())
    http = request.attributes.request.http
    http.id, http.method, http.path = "12345678901234567890", "POST", PATH
    http.host, http.scheme, http.protocol = "127.0.0.1:10000", "http", "HTTP/1.1"
    http.headers["authorization"] = f"Bearer {secret}"
    return request.SerializeToString()


def should_rate_limit(policy: str) -> bytes:
    """ShouldRateLimit, for a request with `max_tokens`."""
    entries = {"log": "text", "policy": policy, "method": "POST", "path": PATH, "lease_id": OLD_ID, "end_user_id": "-"}
    entries |= {"content_length": str(BODY_BYTES), "asked": ASKED}
    made = [RateLimitDescriptor.Entry(key=key, value=value) for key, value in entries.items()]
    descriptor = RateLimitDescriptor(entries=made)
    return RateLimitRequest(domain="tollkeeper", descriptors=[descriptor]).SerializeToString()


def after_check(answer: bytes) -> bytes:
    """The ShouldRateLimit of a request that a Check let through with this answer."""
    return should_rate_limit(CheckResponse.FromString(answer).dynamic_metadata.fields["policy"].string_value)


def log_entry(decision: Struct) -> bytes:
    """The access log entry of a finished request.  `decision`: the metadata that ratelimit answered with."""
    message = StreamAccessLogsMessage()
    entry = message.http_logs.log_entry.add()
    common, metadata = entry.common_properties, entry.common_properties.metadata.filter_metadata
    metadata["envoy.filters.http.ratelimit"].CopyFrom(decision)
    metadata["tollkeeper"].update(_usage())
    for address in (common.downstream_remote_address, common.downstream_local_address, common.upstream_remote_address):
        address.socket_address.address, address.socket_address.port_value = "127.0.0.1", 10000
    common.start_time.FromNanoseconds(time.time_ns())
    for duration in (common.duration, common.time_to_first_upstream_rx_byte, common.time_to_last_upstream_rx_byte):
        duration.FromMilliseconds(45)
    common.upstream_cluster, common.route_name = "tollkeeper_upstream", "models"
    entry.request.request_id, entry.request.request_method = REQUEST_ID, RequestMethod.POST
    entry.request.path = entry.request.original_path = PATH
    entry.request.authority, entry.request.user_agent = "127.0.0.1:10000", "OpenAI/Python 3.52.0"
    entry.request.request_body_bytes, entry.response.response_body_bytes = BODY_BYTES, 640
    entry.response.response_code.value = 200
    entry.response.response_headers["content-type"] = "application/json"
    return message.SerializeToString()


def _usage() -> dict[str, Any]:
    counts = f"usage.prompt_tokens={INPUT_TOKENS} usage.completion_tokens={OUTPUT_TOKENS}"
    return {"asked": ASKED, "usage": counts, "events": 1, "text_bytes": 140, "ended": "done"}

"""What Envoy would send and receive, for the tests of the service."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict

from protos.envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse
from ratelimit.tenants.estimates.text import WEIGHTS
from tenancy.values.policy import Policy

BODY_BYTES = 400  # 100 tokens
BODY_FIELDS = ("model", "max_tokens", "n", "body")


def sample(size: int) -> list[int]:
    """What the meter says of a text of `size` bytes that has a token every four."""
    return [size, 4, *(10 if name == "word" else 0 for name in WEIGHTS)]


def ask(policy: Policy | str | None, **entries: str) -> bytes:
    """One ShouldRateLimit request as our Envoy configuration makes it: a chat request for 100 + 0 tokens, unless told
    otherwise.  An entry that is given as "" is left out."""
    return message(descriptor(policy, **entries))


def message(*descriptors: RateLimitDescriptor, domain: str = "tollkeeper") -> bytes:
    return RateLimitRequest(domain=domain, descriptors=descriptors).SerializeToString()


def descriptor(policy: Policy | str | None, **entries: str) -> RateLimitDescriptor:
    chat = {"method": "POST", "path": "/v1/chat/completions", "model": "m", "max_tokens": "0"}
    texts = {"end_user_id": "-", **chat, "content_length": str(BODY_BYTES), **entries}
    body = {name: value for name in BODY_FIELDS if (value := texts.pop(name, "-")) != "-"}
    texts.setdefault("asked", json.dumps({**body, "text": sample(int(texts["content_length"] or 0))}))
    if policy is not None:
        texts["policy"] = policy.dump() if isinstance(policy, Policy) else policy
    return RateLimitDescriptor(
        entries=[RateLimitDescriptor.Entry(key=key, value=value) for key, value in texts.items() if value]
    )


@dataclass
class Told:
    """An answer, read."""

    ok: bool
    metadata: dict[str, Any]
    headers: dict[str, str]
    body: str

    @staticmethod
    def read(message: bytes) -> "Told":
        response = RateLimitResponse.FromString(message)
        assert response.overall_code in (RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT)
        headers = {header.key: header.value for header in response.response_headers_to_add}
        assert len(headers) == len(response.response_headers_to_add)
        return Told(
            response.overall_code == RateLimitResponse.OK,
            MessageToDict(response.dynamic_metadata),
            headers,
            response.raw_body.decode(),
        )


@dataclass
class WaitingCall:
    """A call that waits for its answer in the thread that made it."""

    left: bool = False
    remaining: float | None = None
    message: bytes | None = None
    leave: Callable[[], None] | None = None  # tells that the caller has gone, if it was asked for
    answered: threading.Event = field(default_factory=threading.Event)

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        self.message = message
        self.answered.set()
        if self.left and if_lost is not None:
            if_lost()

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        raise AssertionError(f"{code} {details}")

    def on_cancel(self, callback: Callable[[], None]) -> None:
        self.leave = callback

    def time_remaining(self) -> float | None:
        return self.remaining

    def told(self, timeout: float = 10.0) -> Told:
        assert self.answered.wait(timeout)
        assert self.message is not None
        return Told.read(self.message)

"""Envoy's RateLimitService: descriptor entries in, an answer with headers, body and dynamic metadata out.

Translates only, and hands each request to the decider of its domain.  An unknown domain is refused.
"""

from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import DecodeError

from protos.envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse
from ratelimit.entries import EntryReader
from serving.call import Answer, Call, Malformed, Unary
from serving.messages import read

PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

Decider = Callable[[Sequence[Mapping[str, str]], Call], Answer]
"""Answers one request of its domain, from the entries of each descriptor.  As a serving.call.Handler it may raise
Malformed, and answer later."""


class RatelimitService:
    """`deciders` by domain, the one that is asked most first."""

    def __init__(self, deciders: Mapping[str, Decider]) -> None:
        self._deciders = deciders
        first, self._decide = next(iter(deciders.items()))
        self._reader = EntryReader(first, _entries_of)

    def methods(self) -> tuple[Unary, ...]:
        return (Unary(PATH, self.should_rate_limit),)

    def should_rate_limit(self, message: bytes, call: Call) -> Answer:
        """Handler.  Malformed for a domain that nobody decides for."""
        entries = self._reader.read(message)
        if entries is not None:
            return self._decide([entries], call)
        request = read(RateLimitRequest, message)
        decide = self._deciders.get(request.domain)
        if decide is None:
            raise Malformed(f"unknown domain; there is {', '.join(self._deciders)}")
        return decide([_by_key(one) for one in request.descriptors], call)


def _entries_of(descriptor: bytes) -> dict[str, str] | None:
    try:
        return _by_key(read(RateLimitDescriptor, descriptor))
    except DecodeError:
        return None


def _by_key(descriptor: RateLimitDescriptor) -> dict[str, str]:
    # Sliced, as protobuf's lists end their iteration with an exception, whose text costs as much as an entry.
    return {each.key: each.value for each in descriptor.entries[:]}


def refused_by(message: bytes) -> str:
    """The limit that an answer refuses by, "" if it refuses by none."""
    answer = RateLimitResponse.FromString(message)
    return (
        str(answer.dynamic_metadata["limit"])
        if answer.overall_code == RateLimitResponse.OVER_LIMIT and "limit" in answer.dynamic_metadata
        else ""
    )

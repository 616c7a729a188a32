"""Envoy's RateLimitService: descriptor entries in, an answer with headers, body and dynamic metadata out.

Translates only, and hands each request to whoever decides for its domain.  What no domain claims is refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse
from serving.call import Answer, Call, Malformed, Unary
from serving.messages import read

PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
CODES = {True: RateLimitResponse.OK, False: RateLimitResponse.OVER_LIMIT, None: RateLimitResponse.UNKNOWN}

Decider = Callable[[Sequence[Mapping[str, str]], Call], Answer]
"""Answers one request of its domain, from the entries of each descriptor.  As a serving.call.Handler it may raise
Malformed, and answer later."""


class RatelimitService:
    """`deciders` by domain."""

    def __init__(self, deciders: Mapping[str, Decider]) -> None:
        self._deciders = deciders

    def methods(self) -> tuple[Unary, ...]:
        return (Unary(PATH, self.should_rate_limit),)

    def should_rate_limit(self, message: bytes, call: Call) -> Answer:
        """Handler.  Malformed for a domain that nobody decides for."""
        request = read(RateLimitRequest, message)
        decide = self._deciders.get(request.domain)
        if decide is None:
            raise Malformed(f"unknown domain; there is {', '.join(self._deciders)}")
        return decide([{entry.key: entry.value for entry in each.entries} for each in request.descriptors], call)


def refused_by(message: bytes) -> str:
    """The limit that an answer refuses by, "" if it refuses by none."""
    answer = RateLimitResponse.FromString(message)
    return (
        str(answer.dynamic_metadata["limit"])
        if answer.overall_code == RateLimitResponse.OVER_LIMIT and "limit" in answer.dynamic_metadata
        else ""
    )


def serialize(
    ok: bool | None,
    fields: Iterable[tuple[str, str | int | bool]],
    headers: Iterable[tuple[str, str]],
    body: bytes,
    both_ways: Iterable[tuple[str, str]] = (),
) -> bytes:
    """An answer, or a part of one: protobuf messages that are concatenated are merged by whoever reads them."""
    response = RateLimitResponse(overall_code=CODES[ok], raw_body=body)
    add_header = response.response_headers_to_add.add
    for key, text in headers:
        add_header(key=key, value=text)
    for key, text in both_ways:
        add_header(key=key, value=text)
        response.request_headers_to_add.add(key=key, value=text)
    metadata = response.dynamic_metadata.fields
    for name, value in fields:
        if not value:  # what is empty, zero or false is left out: each field is read, copied and logged by Envoy
            continue
        if isinstance(value, str):
            metadata[name].string_value = value
        elif isinstance(value, bool):
            metadata[name].bool_value = value
        else:
            metadata[name].number_value = value
    return response.SerializeToString()

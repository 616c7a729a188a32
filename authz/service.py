"""ext_authz v3: Check requests in, answers out.  Translates; decides nothing.

A key that this process knows is answered at once, with bytes that were serialized when its record was loaded.  Anything
else is looked up on the background loop and answered from there: the engine's thread never waits.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from logging import DEBUG
from typing import Protocol

import structlog

from authz.bodies import Bodies
from authz.credential import CREDENTIAL_HEADERS, NoCredential, find_secret
from authz.decision import Outcome, decide, headers_for, refusals
from authz.identity import END_USER_ID, USER_ID, end_user_of, headers_to_remove, headers_to_set, metadata
from authz.metrics import AuthzMetrics
from authz.models import answer as answer_models
from authz.models import asked_model, names_of_cached
from clients.api import Api, api_of
from clients.errors import CONTENT_TYPE, Fault, body_of
from protos.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from protos.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from protos.envoy.service.auth.v3.external_auth_pb2 import (
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    OkHttpResponse,
)
from protos.google.rpc.status_pb2 import Status
from serving.call import Answer, Call, Method, Unary
from serving.loop import LoopThread
from serving.messages import read
from tenancy.resolving.catalog import KnownModels
from tenancy.resolving.resolution import Found, Resolution, Unknown
from tenancy.resolving.resolver import Resolver
from tenancy.values.denied import Denied
from tenancy.values.key_record import KeyRecord
from tenancy.values.lease_id import NO_ENVOY, is_envoy, mint_lease_id
from tenancy.values.seal import Seal
from tenancy.values.secret import hash_secret, shown_prefix

log = structlog.get_logger(__name__)

GUARD = "tollkeeper.guard"  # the namespace of what the guard says
CHECK = "/envoy.service.auth.v3.Authorization/Check"
BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
MAX_DENIALS = 1000  # whose metadata is kept as bytes; guessed keys make another each
_GRPC_OK, _GRPC_PERMISSION_DENIED = 0, 7  # google.rpc.Code; Envoy tells only OK from the rest
_NO_CREDENTIAL = {problem: Outcome(problem.value) for problem in NoCredential}


def prepare(record: KeyRecord, key_headers: Sequence[str] = CREDENTIAL_HEADERS, *, hand_off: bool = False) -> bytes:
    """The resolver's `prepare`: the answer for an admitted request of this key, without its end user.

    Serialized protobuf messages merge when they are concatenated, so what differs from request to request, its lease id
    and its end user, is appended.
    """
    return CheckResponse(
        status=Status(code=_GRPC_OK),
        ok_response=OkHttpResponse(
            headers=_options(headers_to_set(record, hand_off=hand_off)),
            headers_to_remove=headers_to_remove(record, key_headers),
        ),
        dynamic_metadata=metadata(record),
    ).SerializeToString()


class Models(Protocol):
    """Which models there are."""

    def known(self) -> KnownModels | None:
        """At once, from memory; None if it is not known."""


class AuthzService:
    """`clock` must be the resolver's; `wall` gives seconds since the epoch, for expiry.  `seal`: of lease ids.
    `denials`: of what refusals say to the access log.  `key_headers`: which of them carry a key, in small letters.
    `bodies`: None: they are not counted."""

    def __init__(
        self,
        resolver: Resolver[bytes],
        models: Models,
        loop: LoopThread,
        metrics: AuthzMetrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        seal: Seal | None = None,
        denials: Seal | None = None,
        key_headers: Sequence[str] = CREDENTIAL_HEADERS,
        bodies: Bodies | None = None,
    ) -> None:
        self._bodies = bodies
        self._resolver, self._models, self._loop, self._metrics = resolver, models, loop, metrics
        self._clock, self._wall = clock, wall
        self._key_headers = key_headers
        faults = refusals(key_headers)
        self._refused = {(outcome, api): _denied(fault, api) for outcome, fault in faults.items() for api in Api}
        self._no_end_user = _end_user_part("")
        self._seal, self._denials, self._said = seal, denials, dict[Denied, bytes]()
        self._told_of: KnownModels | None = None  # by what `_cached_models` says
        self._caches = b""
        self._before_id, self._after_id = _part_with("lease_id", mint_lease_id(0))
        if seal is not None:
            self._before_seal, self._after_seal = _part_with("seal", seal.of(""))

    def methods(self) -> list[Method]:
        return [Unary(CHECK, self.check)]

    def check(self, message: bytes, call: Call) -> Answer:
        """The handler; DecodeError for what is not a CheckRequest."""
        attributes = read(CheckRequest, message).attributes
        request = attributes.request.http
        headers, method, path = request.headers, request.method, request.path
        secret = find_secret(headers, self._key_headers)
        if isinstance(secret, NoCredential):
            return partial(self._refuse, _NO_CREDENTIAL[secret], path)
        key_hash, user_id = hash_secret(secret), headers.get(USER_ID, "")
        resolution, envoy = self._resolver.peek(key_hash, self._clock()), _envoy_of(attributes)
        if resolution is not None:
            return self._answer(resolution, secret, user_id, method, path, envoy)
        self._loop.submit(self._answer_later(key_hash, secret, user_id, method, path, envoy, call))
        return None

    async def _answer_later(
        self, key_hash: str, secret: str, user_id: str, method: str, path: str, envoy: str, call: Call
    ) -> None:
        try:
            resolution = await self._resolver.resolve(key_hash)
            _log(resolution)
            answer = self._answer(resolution, secret, user_id, method, path, envoy)
            message = answer if isinstance(answer, bytes) else answer()
        except Exception:  # the edge of an RPC: the client still gets an answer, and it is no
            log.exception("check failed")
            self._metrics.failures.add()
            message = self._refuse(Outcome.UNAVAILABLE, path, secret)
        call.reply(message)

    def _answer(
        self, resolution: Resolution[bytes], secret: str, user_id: str, method: str, path: str, envoy: str
    ) -> bytes | Callable[[], bytes]:
        """A refusal is returned as a function, which the engine may run after the calls that may pass."""
        record = resolution.record if isinstance(resolution, Found) else None
        if isinstance(resolution, Found):
            outcome = decide(resolution.record, self._wall())
            if outcome is Outcome.ALLOWED:
                asked = asked_model(method, path)
                if asked is not None and (said := self._say_models(asked, secret, resolution.record)):
                    return said
                lease_id = mint_lease_id(int(self._wall() * 1000), envoy)
                tenant_id = resolution.record.tenant_id
                if method in BODILESS or self._reads(tenant_id, lease_id):
                    self._metrics.decisions.counts[outcome] += 1
                    end_user = _end_user_part(user_id) if user_id else self._no_end_user
                    return resolution.prepared + end_user + self._begin(lease_id) + self._cached_models()
                outcome = Outcome.BODIES
        else:
            outcome = Outcome.UNKNOWN if isinstance(resolution, Unknown) else Outcome.UNAVAILABLE
        return partial(self._refuse, outcome, path, secret, record)

    def _say_models(self, asked: str, secret: str, record: KeyRecord) -> bytes | None:
        """In place of the model server; None if it is to answer."""
        said = answer_models(asked, self._models.known(), record.models_allowed)
        if said is None:
            return None
        self._metrics.decisions.counts[Outcome.ANSWERED] += 1
        if isinstance(said, Fault):
            return _denied(said, Api.OPENAI) + self._denial(said.code, secret, record)
        return _answered(200, dict([CONTENT_TYPE]), said)

    def _reads(self, tenant_id: str, lease_id: str) -> bool:
        """Whether the request's body may be read; then it is counted as coming."""
        bodies, now = self._bodies, self._clock()
        if bodies is None:
            return True
        if bodies.full(tenant_id, now):
            return False
        bodies.begin(lease_id, tenant_id, now)
        return True

    def _begin(self, lease_id: str) -> bytes:
        """The part of an answer that gives the request its lease id: whatever is begun for it is begun under this."""
        part = self._before_id + lease_id.encode() + self._after_id
        if self._seal is None:
            return part
        return part + self._before_seal + self._seal.of(lease_id).encode() + self._after_seal

    def _cached_models(self) -> bytes:
        """The part that tells Envoy of which models answers are kept; empty if of none."""
        known = self._models.known()
        if known is None or not known.caches:
            return b""
        if self._told_of is not known:
            self._told_of = known
            self._caches = CheckResponse(dynamic_metadata={"cache": names_of_cached(known)}).SerializeToString()
        return self._caches

    def _refuse(self, outcome: Outcome, path: str, secret: str = "", record: KeyRecord | None = None) -> bytes:
        self._metrics.decisions.counts[outcome] += 1
        return self._refused[outcome, api_of(path)] + self._denial(outcome, secret, record)

    def _denial(self, reason: str, secret: str, record: KeyRecord | None) -> bytes:
        """The part that tells the access log why, and whose key it was; empty if nobody seals it."""
        if self._denials is None:
            return b""
        ids = ("", "") if record is None else (record.tenant_id, record.key_id)
        denied = Denied(str(reason), shown_prefix(secret), *ids)
        if (part := self._said.get(denied)) is None:
            if len(self._said) >= MAX_DENIALS:
                self._said.clear()
            said = denied.said(self._denials)
            part = self._said[denied] = CheckResponse(dynamic_metadata=said).SerializeToString()
        return part


def _envoy_of(attributes: AttributeContext) -> str:
    """The name of the Envoy that asks, as its first filter has it."""
    envoy = attributes.metadata_context.filter_metadata[GUARD].fields["envoy"].string_value
    return envoy if is_envoy(envoy) else NO_ENVOY


def _log(resolution: Resolution[bytes]) -> None:
    """As ChatAPI's documents have it: under log level debug only, though at levels of their own.  And only for what was
    looked up: a line for each call would halve the throughput, and a client that guesses keys could fill the disk."""
    if not log.is_enabled_for(DEBUG):
        return
    if isinstance(resolution, Found):
        log.info("Tenant validated", tenant_id=resolution.record.tenant_id, key_id=resolution.record.key_id)
    elif isinstance(resolution, Unknown):
        log.error("Invalid API key", error="tenant not found")


def _end_user_part(user_id: str) -> bytes:
    """To be appended to what `prepare` made: sets x-end-user-id, or removes the client's own."""
    end_user_id = end_user_of(user_id)
    part = (
        OkHttpResponse(headers=_options({END_USER_ID: end_user_id}))
        if end_user_id
        else OkHttpResponse(headers_to_remove=[END_USER_ID])
    )
    return CheckResponse(ok_response=part, dynamic_metadata={"end_user_id": end_user_id}).SerializeToString()


def _part_with(name: str, example: str) -> list[bytes]:
    """What stands before and after a value of dynamic metadata that is always as long as `example`."""
    part = CheckResponse(dynamic_metadata={name: example})
    return part.SerializeToString().split(example.encode())


def _denied(fault: Fault, api: Api) -> bytes:
    return _answered(fault.status, dict(headers_for(fault, api)), body_of(fault, api).decode())


def _answered(status: int, headers: Mapping[str, str], body: str) -> bytes:
    """Envoy sends this to the client, whatever the status; the request goes no further."""
    return CheckResponse(
        status=Status(code=_GRPC_PERMISSION_DENIED),
        denied_response=DeniedHttpResponse(status={"code": status}, headers=_options(headers), body=body),
    ).SerializeToString()


def _options(headers: Mapping[str, str]) -> Iterable[HeaderValueOption]:
    """Without the deprecated `append`, whose absence older Envoys read as "overwrite" here."""
    action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return [
        HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=action)
        for name, value in headers.items()
    ]

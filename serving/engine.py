"""Engines: what serves the methods of a process.  Chooses one, and prepares its addresses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import grpc
import structlog

from serving.addresses import prepare, unix_path
from serving.call import Method, Observer
from serving.completion_queue import contract
from serving.completion_queue.engine import CompletionQueueEngine
from serving.guard import Guard
from serving.http2.engine import Http2Engine
from serving.threads.engine import ThreadsEngine

log = structlog.get_logger(__name__)

EngineKind = Literal["auto", "http2", "completion_queue", "threads"]
MAX_MESSAGE_BYTES = 4 * 1024 * 1024  # gRPC's own default

# Over TCP: a caller whose machine is lost closes nothing; it is gone once it answers no ping.
KEEPALIVE = [
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),  # keepalive has a timeout too, which ends nothing (findings/)
    ("grpc.http2.max_pings_without_data", 0),  # on a log stream nothing flows back
]
MAX_PENDING_CALLS = 20_000  # about one second of calls; those whose deadline passes meanwhile cost nearly nothing


class Engine(Protocol):
    """Serves methods on addresses.  It is bound as soon as it is made; callers wait until serve()."""

    @property
    def ports(self) -> Mapping[str, int]:
        """The port of each `host:port` address, by that address: tells what port 0 became."""

    def serve(self) -> None:
        """Serves in the calling thread until stop(); returns when every call is over and the addresses are free."""

    def stop(self, grace: float = 10.0) -> None:
        """Refuses new calls (UNAVAILABLE; CANCELLED on a connection that has not yet heard), leaves open ones `grace`
        seconds, then refuses them too.  Open streams are refused as soon as no unary call is left.  From any
        thread or signal handler; only the first call counts.  An engine that never served is freed by stop(), then
        serve()."""

    def between_calls(self, step: Callable[[], object]) -> None:
        """Calls it soon where handlers run, unless one of them does not come to an end.  From any thread; does not
        wait."""


def open_engine(
    kind: EngineKind,
    methods: Sequence[Method],
    addresses: Sequence[str],
    *,
    observer: Observer | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    takes_over: bool = False,
    guard: Guard | None = None,
    tls: grpc.ServerCredentials | None = None,
) -> Engine:
    """Binds `addresses` (`host:port`, `unix:/path`).  Raises CannotListenError.

    `takes_over`: from an engine that may still be there.  New connections on a Unix socket come here at once; a port is
    shared with it until it stops.  `guard`: whom it asks about each call, None if everybody may call.  `tls`: of all
    that is not a Unix socket.

    `auto` takes our own where there are Unix sockets only.  Else the completion queue if the grpcio that runs has what
    it needs, or the threads, with a warning.
    """
    for address in addresses:
        prepare(address, takes_over=takes_over)
    chosen = choose(kind, addresses)
    if chosen == "http2":  # on a Unix socket nobody is asked for a secret, and nothing is encrypted
        return Http2Engine(methods, addresses, observer, max_message_bytes=max_message_bytes, takes_over=takes_over)
    engine = CompletionQueueEngine if chosen == "completion_queue" else ThreadsEngine
    options = _options(max_message_bytes, takes_over)
    if any(unix_path(address) is None for address in addresses):
        options += KEEPALIVE
    return engine(methods, addresses, options, observer, takes_over=takes_over, guard=guard, tls=tls)


def choose(kind: EngineKind, addresses: Sequence[str], problems: Sequence[str] | None = None) -> EngineKind:
    """`problems`: what the running grpcio lacks; found out if None."""
    if kind != "auto":
        return kind
    if all(unix_path(address) is not None for address in addresses):
        return "http2"
    problems = contract.problems() if problems is None else problems
    if not problems:
        return "completion_queue"
    log.warning("grpcio lacks what the completion queue engine needs, serving on threads", problems=list(problems))
    return "threads"


def _options(max_message_bytes: int, share_ports: bool) -> list[tuple[str, int]]:
    return [
        (
            "grpc.so_reuseport",
            int(share_ports),
        ),  # else a second process shares a taken port and gets some of the connections
        ("grpc.max_receive_message_length", max_message_bytes),
        # Envoy's connection_keepalive pings an idle connection; by default gRPC core ends it for that (too_many_pings).
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
        ("grpc.keepalive_permit_without_calls", 1),
        # gRPC core's defaults refuse calls at random when 1000 wait to be accepted, which is what gathers in a pause of
        # 50 ms.
        ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
    ]

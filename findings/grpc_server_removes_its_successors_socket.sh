#!/bin/bash
# A gRPC server that stops removes the Unix socket of the server that has taken its place.
#
# Seen with: grpcio 1.85.1 (gRPC core), Python 3.11, Linux x86-64.
# Where: `add_insecure_port("unix:/path")` and `stop` of `grpc.server`.
#
# On a TCP port that is taken, binding fails, or, with SO_REUSEPORT, both servers get calls.  On a Unix socket the second
# server binds without an error: the path is removed and made anew, and from then on it gets all new calls.  So it looks
# as if one server could replace another without a gap: start the new one, see that it answers, stop the old one.  But
# the old one remembers a path, not the socket that it made there, and as it stops it removes what is at that path: the
# new server runs on, says nothing, and nobody can reach it any more.
#
# Seen: with both running, a new channel reaches the second server, and the socket is another file; once the first has
# stopped there is no file at the path, and a new channel gets UNAVAILABLE, while the one from before still works.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet grpcio==1.85.1
venv/bin/python - <<'PY' 2>/dev/null
import os
from concurrent import futures

import grpc

PATH = os.path.abspath("server.sock")


class Handlers(grpc.GenericRpcHandler):
    def __init__(self, name: bytes) -> None:
        self.name = name

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.name)


def started(name: bytes) -> grpc.Server:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Handlers(name),))
    server.add_insecure_port(f"unix:{PATH}")
    server.start()
    return server


def channel() -> grpc.Channel:
    return grpc.insecure_channel(f"unix:{PATH}", options=[("grpc.use_local_subchannel_pool", 1)])


def answer(channel: grpc.Channel) -> str:
    try:
        return channel.unary_unary("/a/b", None, None)(b"", timeout=10).decode()
    except grpc.RpcError as error:
        return error.code().name


first = started(b"first")
made, alone = os.stat(PATH).st_ino, answer(channel())
second = started(b"second")
moved, early = os.stat(PATH).st_ino != made, channel()
both = answer(early)
first.stop(0).wait()
left, after, before = os.path.exists(PATH), answer(channel()), answer(early)
print(f"alone: {alone}; both run: {both}, another file: {moved}")
print(f"the first stopped: file there: {left}, a new channel: {after}, the channel from before: {before}", flush=True)
found = alone, both, moved, left, after, before
os._exit(found != ("first", "second", True, False, "UNAVAILABLE", "second"))
PY

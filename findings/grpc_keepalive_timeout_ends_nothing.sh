#!/bin/bash
# A gRPC server in Python does not end a connection after `grpc.keepalive_timeout_ms`: another option does.
#
# Seen with: grpcio 1.85.1 (gRPC core), Python 3.11, Linux x86-64.
# Where: channel arguments `grpc.keepalive_time_ms`, `grpc.keepalive_timeout_ms` and `grpc.http2.ping_timeout_ms`.
#
# The documentation of keepalive says that a side which sends a ping and gets no answer within the keepalive timeout
# closes the connection.  A server with a keepalive time and a keepalive timeout of 1 s each does send the ping, and gives
# it `grpc.http2.ping_timeout_ms`, by default a minute, whatever the keepalive timeout says: the calls of a client that
# hangs, or whose machine is lost, go on for so long.  With the third option it is as quick as one expects.
#
# Seen: of a client that is stopped (SIGSTOP) with a call open, the call goes on at the server after 12 s with the two
# options alone, and is over after 2 s with `grpc.http2.ping_timeout_ms` of 1 s.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill -CONT $(jobs -p) 2>/dev/null || true; kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet grpcio==1.85.1

cat > client.py <<'PY'
"""Opens a call and leaves it open."""
import sys, threading
import grpc

def messages():
    yield b"here"
    threading.Event().wait()

channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}")
channel.stream_unary("/a/b", None, None)(messages())
PY

cat > server.py <<'PY'
"""Prints after how many seconds the call of a client that was stopped is over, or "never"."""
import os, signal, subprocess, sys, threading, time
from concurrent import futures
import grpc

begun, over = threading.Event(), threading.Event()

def handler(messages, context):
    context.add_callback(over.set)
    for _ in messages:
        begun.set()
    return b""

class Handlers(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.stream_unary_rpc_method_handler(handler)

options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_timeout_ms", 1000)]
options += [("grpc.http2.ping_timeout_ms", 1000)] * (sys.argv[1] == "with")
server = grpc.server(futures.ThreadPoolExecutor(2), options=options)
server.add_generic_rpc_handlers((Handlers(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
client = subprocess.Popen([sys.executable, "client.py", str(port)])
assert begun.wait(20)
client.send_signal(signal.SIGSTOP)
stopped = time.monotonic()
print(f"{time.monotonic() - stopped:.0f}" if over.wait(12) else "never", flush=True)
client.kill()
os._exit(0)
PY

without=$(venv/bin/python server.py without 2>/dev/null)
with=$(venv/bin/python server.py with 2>/dev/null)
echo "over within 12 s: with keepalive's timeout of 1 s: $without; with ping_timeout_ms of 1 s too: after $with s"
[ "$without" = never ] && [ "$with" != never ] && [ "$with" -le 5 ]

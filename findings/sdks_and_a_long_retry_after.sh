#!/bin/bash
# Told to come back in five minutes, one provider's SDK gives up, one sleeps, and two ask again at once.
#
# Seen with: openai 3.52.0, anthropic 2.11.0, groq 1.7.0, google-genai 3.6.1, Python 3.11, Linux x86-64.
# Where: the clients' own retries, as they are by default (google-genai: with `HttpRetryOptions(attempts=3)`, as it has
# none by default), on a 429 with `retry-after: 300`.
#
# All four retry a 429 twice, and the header is a standard, so one expects that they wait as long as it says, or give
# up. The first three are made by one generator, so one expects the same of them at least.  openai asks no second time if
# it is to wait for more than two minutes; anthropic sleeps for as long as the server says, within the call, however
# short the client's timeout; groq takes more than a minute for no answer at all, and comes back as if there were no
# header; google-genai does not read it.  So a server that names a long pause is asked three times within seconds by two
# of them, and one that names a day holds up a thread of the third for a day.
#
# Seen within 12 s of the first request: openai 1 request, RateLimitError; anthropic 1 request, still waiting with
# `timeout=5`; groq 3 requests, RateLimitError; google-genai 3 requests, ClientError.  With `retry-after: 2`, groq and
# openai wait.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet openai==3.52.0 anthropic==2.11.0 groq==1.7.0 google-genai==3.6.1

cat > ask.py <<'PY'
"""ask.py CLIENT SECONDS: asks a server that says 429; prints requests, what came of it within 12 s, the shortest pause."""
import os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

client, seconds = sys.argv[1:]
asked, outcome = [], ["still waiting"]

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        asked.append(time.monotonic())
        body = b'{"error": {"message": "slow down", "code": 429, "status": "RESOURCE_EXHAUSTED"}}'
        self.send_response(429)
        for header in ("retry-after", seconds), ("content-type", "application/json"), ("content-length", str(len(body))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

def call(url):
    message = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    if client == "openai":
        import openai
        openai.OpenAI(api_key="k", base_url=url).chat.completions.create(**message)
    elif client == "anthropic":
        import anthropic
        anthropic.Anthropic(api_key="k", base_url=url, timeout=5).messages.create(max_tokens=1, **message)
    elif client == "groq":
        import groq
        groq.Groq(api_key="k", base_url=url).chat.completions.create(**message)
    else:
        from google import genai
        retries = genai.types.HttpRetryOptions(attempts=3)
        options = genai.types.HttpOptions(base_url=url, retry_options=retries)
        google = genai.Client(api_key="k", http_options=options)  # kept: it closes its connections with its last reference
        google.models.generate_content(model="m", contents="x")

def run(url):
    try:
        call(url)
    except Exception as error:
        outcome[0] = type(error).__name__

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
caller = threading.Thread(target=run, args=(f"http://127.0.0.1:{server.server_port}",), daemon=True)
caller.start()
while not asked and caller.is_alive():
    time.sleep(0.05)
caller.join(12)
pause = min((int(b - a) for a, b in zip(asked, asked[1:])), default=0)
print(len(asked), outcome[0], f"at least {pause} s between", sep=", ", flush=True)
os._exit(0)
PY

check() { # CLIENT SECONDS EXPECTED
  local found; found=$(venv/bin/python ask.py "$1" "$2")
  echo "$1, retry-after $2: $found"
  [[ "$found" == $3 ]]
}
check openai 300 "1, RateLimitError, *"
check anthropic 300 "1, still waiting, *"
check groq 300 "3, RateLimitError, *"
check google-genai 300 "3, ClientError, *"
check openai 2 "3, RateLimitError, at least 2 s between"
check groq 2 "3, RateLimitError, at least 2 s between"

#!/bin/bash
# Six providers' SDKs take a stream that ends in the middle for a whole answer.
#
# Seen with: openai 3.52.0, anthropic 2.11.0, groq 1.7.0, cohere 7.3.1, mistralai 3.7.0, google-genai 3.6.1, Python
# 3.11, Linux x86-64.
# Where: streams of chats, and the helpers that put a stream together (openai `chat.completions.stream`, anthropic
# `messages.stream`).
#
# Each of these protocols says where an answer ends: `data: [DONE]`, `message_stop`, `message-end`, a `finishReason`.  A
# proxy or a server that goes away in the midst of an answer may well end its HTTP body properly (the last chunk is
# sent, or a gateway behind which the connection broke sends it), so the mark in the protocol is all that tells.  One
# expects the SDK, which knows it, to look: an error, or a retry, as for a body that is cut in HTTP.  None does.  The loop
# ends as if all had come, and the helpers return a message whose reason for stopping is None.  A program that counts by
# the usage at the end of a stream finds none, and no error either.
#
# Seen: a first piece of text, then the end of the body: no exception from any; openai's helper: text "half",
# finish_reason None; anthropic's: "half", stop_reason None.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet openai==3.52.0 anthropic==2.11.0 groq==1.7.0 cohere==7.3.1 mistralai==3.7.0 google-genai==3.6.1

cat > half.py <<'PY'
"""half.py CLIENT: what it makes of a stream that ends after its first piece of text."""
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

client = sys.argv[1]
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
MESSAGE |= {"stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
CHOICE = {"index": 0, "delta": {"role": "assistant", "content": "half"}, "finish_reason": None}
STREAMS = {
    "anthropic": [
        {"type": "message_start", "message": MESSAGE},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "half"}},
    ],
    "cohere": [
        {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "half"}}}},
    ],
    "google": [{"candidates": [{"content": {"role": "model", "parts": [{"text": "half"}]}}]}],
}
CHAT = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [CHOICE]}]
EVENTS = STREAMS.get(client, CHAT)
NAMES = [f"event: {event['type']}\n" if "type" in event else "" for event in EVENTS]
BODY = "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(NAMES, EVENTS)).encode()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))

    def log_message(self, *_):
        pass

def texts(url):
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    if client == "openai":
        import openai
        chats = openai.OpenAI(api_key="k", base_url=url).chat.completions
        with chats.stream(**asked) as stream:
            choice = stream.get_final_completion().choices[0]
        return [*(each.choices[0].delta.content for each in chats.create(**asked, stream=True))], choice.finish_reason
    if client == "anthropic":
        import anthropic
        with anthropic.Anthropic(api_key="k", base_url=url).messages.stream(max_tokens=9, **asked) as stream:
            return [*stream.text_stream], stream.get_final_message().stop_reason
    if client == "groq":
        import groq
        return [each.choices[0].delta.content for each in groq.Groq(api_key="k", base_url=url).chat.completions.create(**asked, stream=True)]
    if client == "cohere":
        import cohere
        return [each.delta.message.content.text for each in cohere.ClientV2(api_key="k", base_url=url).chat_stream(**asked) if each.type == "content-delta"]
    if client == "mistral":
        from mistralai.client import Mistral
        return [each.data.choices[0].delta.content for each in Mistral(api_key="k", server_url=url).chat.stream(**asked)]
    from google import genai
    google = genai.Client(api_key="k", http_options={"base_url": url})
    return [each.text for each in google.models.generate_content_stream(model="m", contents="x")]

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(texts(f"http://127.0.0.1:{server.server_port}"), flush=True)
os._exit(0)
PY

check() { # CLIENT EXPECTED
  local found; found=$(venv/bin/python half.py "$1" 2>errors) || found="an error: $(tail -1 errors)"
  echo "$1: $found"
  [ "$found" = "$2" ]
}
check openai "(['half'], None)"
check anthropic "(['half'], None)"
for each in groq cohere mistral google; do check "$each" "['half']"; done

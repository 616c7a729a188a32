#!/bin/bash
# llama.cpp's server makes three choices and reports the tokens of one.
#
# Seen with: llama.cpp's server as in xllamacpp 2026.10.11549, gguf 0.19.0, numpy 2.4.6, Python 3.11, Linux x86-64.
# Where: `n` and `usage` of POST /v1/chat/completions and /v1/completions, plain and as a stream.
#
# Both ways to more than one result, `n` and a list of prompts, answer as OpenAI's API does: three entries in
# `choices`.  There `usage` counts what all of them took, and what divides a bill or takes from a rate limit by it relies
# on that.  Here it is the first result's alone, in the plain answer and in the last event of a stream; of three prompts
# the tokens of the first, however long the others are.
#
# Seen (results, prompt_tokens, completion_tokens) with max_tokens=10: n=1 (1, 9, 10); n=3 (3, 9, 10); a stream of n=3
# (3, 9, 10); the prompts "the sun", and it three and nine times over (3, 9, 10).
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6

cat > model.py <<'PY'
"""Writes a model of random weights, with bytes for a vocabulary."""
import gguf, numpy

writer = gguf.GGUFWriter("noise.gguf", "llama")
kinds = gguf.TokenType
tokens = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
tokens += [(f"<0x{value:02X}>", kinds.BYTE) for value in range(256)] + [("▁", kinds.NORMAL)]
writer.add_context_length(512), writer.add_embedding_length(32), writer.add_block_count(1), writer.add_feed_forward_length(32)
writer.add_head_count(4), writer.add_head_count_kv(4), writer.add_layer_norm_rms_eps(1e-5), writer.add_rope_dimension_count(8)
writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")
writer.add_tokenizer_model("llama"), writer.add_token_list([token for token, _ in tokens])
writer.add_token_scores([0.0] * len(tokens)), writer.add_token_types([kind for _, kind in tokens])
writer.add_bos_token_id(1), writer.add_eos_token_id(2), writer.add_unk_token_id(0)
square = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
shapes = {"token_embd": (len(tokens), 32), "output": (len(tokens), 32), "output_norm": (32,)}
shapes |= {f"blk.0.{name}": (32, 32) for name in square} | {f"blk.0.{name}_norm": (32,) for name in ("attn", "ffn")}
for name, shape in shapes.items():
    weights = numpy.ones(shape) if len(shape) == 1 else numpy.random.default_rng(7).normal(0, 0.5, shape)
    writer.add_tensor(f"{name}.weight", weights.astype(numpy.float32))
writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
PY
venv/bin/python model.py
cat > ask.py <<'PY'
"""Serves the model, asks it, prints choices and completion_tokens of each kind of request; of the stream its pieces."""
import json, os, urllib.request
from xllamacpp import CommonParams, Server

params = CommonParams()
params.model.path, params.hostnames, params.port, params.n_ctx, params.n_parallel = "noise.gguf", ["127.0.0.1"], 0, 2048, 4
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = Server(params)

def ask(path, **body):
    body = json.dumps({"max_tokens": 10, "ignore_eos": True, **body}).encode()
    request = urllib.request.Request(server.listening_address + path, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()

def counted(text):
    answer = json.loads(text)
    usage = answer["usage"]
    return len(answer["choices"]), usage["prompt_tokens"], usage["completion_tokens"]

chat = {"messages": [{"role": "user", "content": "the sun"}]}
found = [counted(ask("/v1/chat/completions", **chat, n=n)) for n in (1, 3)]
found.append(counted(ask("/v1/completions", prompt=["the sun", "the sun" * 3, "the sun" * 9])))
stream = ask("/v1/chat/completions", **chat, n=3, stream=True, stream_options={"include_usage": True})
events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
pieces = [choice["index"] for event in events for choice in event["choices"] if choice["delta"].get("content")]
last = events[-1]["usage"]
print(*found, (len(set(pieces)), last["prompt_tokens"], last["completion_tokens"]), flush=True)
os._exit(0)
PY
found=$(venv/bin/python ask.py 2>log | tail -1) || { tail -5 log; exit 1; }
echo "results, prompt_tokens and completion_tokens of n=1, n=3, three prompts, a stream of n=3: $found"
[ "$found" = "(1, 9, 10) (3, 9, 10) (3, 9, 10) (3, 9, 10)" ]

"""llama.cpp's own /completion, and what its chat adds."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"index":0,"content":" the sun","tokens":[],"id_slot":0,"stop":true,"model":"m.gguf","tokens_predicted":64,"tokens_evaluated":12,"generation_settings":{"n_predict":64,"max_tokens":64,"tokens_predicted":9999},"prompt":"<s> \\"tokens_evaluated\\":5","has_new_line":false,"truncated":false,"stop_type":"limit","stopping_word":"","tokens_cached":75,"timings":{"cache_n":8,"prompt_n":4,"prompt_ms":21.3,"predicted_n":64,"predicted_ms":900.1}}
""")
SEVERAL = plain("""
[{"index":0,"content":" a","stop":true,"tokens_predicted":8,"tokens_evaluated":2,"timings":{"cache_n":0,"prompt_n":2,"predicted_n":8}},{"index":1,"content":" b","stop":true,"tokens_predicted":8,"tokens_evaluated":3,"timings":{"cache_n":0,"prompt_n":3,"predicted_n":8}}]
""")
STREAM = stream("""
data: {"index":0,"content":" the","tokens":[262],"stop":false,"id_slot":-1,"tokens_predicted":1,"tokens_evaluated":12}

data: {"index":0,"content":" sun","tokens":[4252],"stop":false,"id_slot":-1,"tokens_predicted":2,"tokens_evaluated":12}

data: {"index":0,"content":"","tokens":[],"stop":true,"id_slot":0,"model":"m","tokens_predicted":3,"tokens_evaluated":12,"stop_type":"limit","timings":{"cache_n":0,"prompt_n":12,"predicted_n":3}}
""")
ERROR = stream('error: {"code":500,"message":"context shift is disabled","type":"server_error"}')
TIMINGS = stream("""
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":"Hi"}}],"created":1,"id":"chatcmpl-x","model":"m","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":1,"id":"chatcmpl-x","model":"m","object":"chat.completion.chunk","timings":{"cache_n":236,"prompt_n":1,"prompt_ms":30.9,"predicted_n":35,"predicted_ms":661.0}}

data: [DONE]
""")
# Several results run side by side; each has its own counts, and its own last event.
SEVERAL_STREAM = stream("""
data: null

data: {"index":0,"content":"o","tokens":[114],"stop":false,"id_slot":-1,"tokens_predicted":1,"tokens_evaluated":12}

data: {"index":1,"content":"w","tokens":[122],"stop":false,"id_slot":-1,"tokens_predicted":3,"tokens_evaluated":10}

data: {"index":1,"content":"","tokens":[],"id_slot":0,"stop":true,"tokens_predicted":3,"tokens_evaluated":10,"stop_type":"limit","timings":{"cache_n":4,"prompt_n":6,"predicted_n":3}}

data: {"index":0,"content":"","tokens":[],"id_slot":1,"stop":true,"tokens_predicted":2,"tokens_evaluated":12,"stop_type":"limit","timings":{"cache_n":0,"prompt_n":12,"predicted_n":2}}
""")
SEVERAL_COMPLETIONS = stream("""
data: null

data: {"choices":[{"text":"i","index":0,"logprobs":null,"finish_reason":null}],"created":1,"model":"m","object":"text_completion","id":"chatcmpl-q"}

data: {"choices":[{"text":"","index":1,"logprobs":null,"finish_reason":"length"}],"created":1,"model":"m","object":"text_completion","usage":{"completion_tokens":3,"prompt_tokens":10,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":0}},"id":"chatcmpl-q","timings":{"cache_n":0,"prompt_n":10,"predicted_n":3}}

data: {"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],"created":1,"model":"m","object":"text_completion","usage":{"completion_tokens":4,"prompt_tokens":12,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":7}},"id":"chatcmpl-q","timings":{"cache_n":7,"prompt_n":5,"predicted_n":4}}

data: [DONE]
""")
CHOICES = stream("""
data: {"choices":[{"finish_reason":null,"index":1,"delta":{"content":"a"}}],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk"}

data: {"choices":[],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk","usage":{"completion_tokens":3,"prompt_tokens":20,"total_tokens":23,"prompt_tokens_details":{"cached_tokens":2}},"timings":{"cache_n":2,"prompt_n":18,"predicted_n":3}}

data: {"choices":[{"finish_reason":"stop","index":1,"delta":{}}],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk"}

data: {"choices":[],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk","usage":{"completion_tokens":5,"prompt_tokens":20,"total_tokens":25,"prompt_tokens_details":{"cached_tokens":2}},"timings":{"cache_n":2,"prompt_n":18,"predicted_n":5}}

data: [DONE]
""")
# What a plain answer reports is the first result's alone.
CHOICES_PLAIN = plain("""
{"choices":[{"finish_reason":"length","index":0,"message":{"role":"assistant","content":"Hello there, you all"}},{"finish_reason":"length","index":1,"message":{"role":"assistant","content":"Good day to you"}}],"created":1,"model":"m","object":"chat.completion","usage":{"completion_tokens":5,"prompt_tokens":20,"total_tokens":25,"prompt_tokens_details":{"cached_tokens":19}},"id":"chatcmpl-I","timings":{"cache_n":19,"prompt_n":1,"predicted_n":5}}
""")
PER_TOKEN = stream("""
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"a"}}],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk","timings":{"cache_n":2,"prompt_n":18,"predicted_n":1}}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"b"}}],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk","timings":{"cache_n":2,"prompt_n":18,"predicted_n":2}}

data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk"}

data: {"choices":[],"created":1,"id":"chatcmpl-V","model":"m","object":"chat.completion.chunk","usage":{"completion_tokens":2,"prompt_tokens":20,"total_tokens":22,"prompt_tokens_details":{"cached_tokens":2}},"timings":{"cache_n":2,"prompt_n":18,"predicted_n":2}}

data: [DONE]
""")

CASES = {
    "plain": (PLAIN, reported(12, 64, 8)),
    "several prompts": (SEVERAL, reported(5, 16)),
    "stream": (STREAM, reported(12, 3)),
    "stream, left by the client": (STREAM.left(2), reported(12, 2)),
    "stream, cut by the server": (STREAM.cut(1), reported(12, 1)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), reported(12, 2)),
    "stream, several prompts": (SEVERAL_STREAM, reported(22, 5, 4)),
    "stream, several prompts, cut by the server": (SEVERAL_STREAM.cut(3), reported(22, 4)),
    "completions, stream, several prompts": (SEVERAL_COMPLETIONS, reported(22, 7, 7)),
    "chat, stream, two choices": (CHOICES, reported(20, 8, 2)),
    "chat, two choices": (CHOICES_PLAIN, estimated(20, 10, 19)),
    "chat, stream, timings in each event": (PER_TOKEN, reported(20, 2, 2)),
    "chat without include_usage": (TIMINGS, reported(237, 35, 236)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_llama_cpp(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

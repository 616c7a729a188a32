"""llama.cpp's own /completion, and what its chat adds."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import reported
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

CASES = {
    "plain": (PLAIN, reported(12, 64, 8)),
    "several prompts": (SEVERAL, reported(5, 16)),
    "stream": (STREAM, reported(12, 3)),
    "stream, left by the client": (STREAM.left(2), reported(12, 2)),
    "stream, cut by the server": (STREAM.cut(1), reported(12, 1)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), reported(12, 2)),
    "chat without include_usage": (TIMINGS, reported(237, 35, 236)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_llama_cpp(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

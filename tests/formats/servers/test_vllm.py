"""vLLM: usage in each chunk if asked for, rerank and score, an error in the middle."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"id":"chatcmpl-8b","object":"chat.completion","created":1762000000,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"message":{"role":"assistant","content":"Four","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning":"two and two","reasoning_content":"two and two"},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}],"service_tier":null,"system_fingerprint":null,"usage":{"prompt_tokens":24,"total_tokens":36,"completion_tokens":12,"prompt_tokens_details":{"cached_tokens":16}},"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}
""")
STREAM = stream("""
data: {"id":"chatcmpl-8b","object":"chat.completion.chunk","created":1,"model":"q","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":24,"total_tokens":24,"completion_tokens":0}}

data: {"id":"chatcmpl-8b","object":"chat.completion.chunk","created":1,"model":"q","choices":[{"index":0,"delta":{"content":"F"},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":24,"total_tokens":25,"completion_tokens":1}}

data: {"id":"chatcmpl-8b","object":"chat.completion.chunk","created":1,"model":"q","choices":[{"index":0,"delta":{"content":"our"},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"usage":{"prompt_tokens":24,"total_tokens":29,"completion_tokens":5}}

data: {"id":"chatcmpl-8b","object":"chat.completion.chunk","created":1,"model":"q","choices":[],"usage":{"prompt_tokens":24,"total_tokens":29,"completion_tokens":5}}

data: [DONE]
""")
ERROR = stream(
    'data: {"error": {"message": "EngineCore encountered an issue", "type": "InternalServerError", "param": null, "code": 500}}\n\ndata: [DONE]'
)
RERANK = plain(
    '{"id":"rerank-1","model":"b","usage":{"total_tokens":56},"results":[{"index":0,"document":{"text":"x","multi_modal":null},"relevance_score":0.99}]}'
)
SCORE = plain(
    '{"id":"score-1","object":"list","created":1,"model":"b","data":[{"index":0,"object":"score","score":1}],"usage":{"prompt_tokens":17,"total_tokens":17,"completion_tokens":0,"prompt_tokens_details":null}}'
)

CASES = {
    "plain": (PLAIN, reported(24, 12, 16)),
    "stream": (STREAM, reported(24, 5)),
    "stream, left by the client": (STREAM.left(3), reported(24, 5)),
    "stream, cut by the server": (STREAM.cut(2), reported(24, 1)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), reported(24, 1)),
    "rerank": (RERANK, reported(56, 0)),
    "score": (SCORE, reported(17, 0)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_vllm(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

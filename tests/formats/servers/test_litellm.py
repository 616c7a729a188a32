"""The LiteLLM proxy in between: OpenAI chat with the names of Anthropic beside."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"id":"chatcmpl-34df","created":1734366691,"model":"claude-sonnet-4-5","object":"chat.completion","system_fingerprint":null,"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant","tool_calls":null,"function_call":null}}],"usage":{"completion_tokens":13,"prompt_tokens":2018,"total_tokens":2031,"completion_tokens_details":{"reasoning_tokens":5,"text_tokens":8},"prompt_tokens_details":{"audio_tokens":null,"cached_tokens":1800,"text_tokens":null,"image_tokens":null,"cache_creation_tokens":200,"cache_creation_token_details":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":0}},"cache_creation_input_tokens":200,"cache_read_input_tokens":1800}}
""")
STREAM = stream("""
data: {"id":"chatcmpl-34df","created":1,"model":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi","role":"assistant"}}]}

data: {"id":"chatcmpl-34df","created":1,"model":"c","object":"chat.completion.chunk","choices":[{"finish_reason":"stop","index":0,"delta":{}}]}

data: {"id":"chatcmpl-34df","created":1,"model":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{}}],"usage":{"completion_tokens":3,"prompt_tokens":10,"total_tokens":13,"completion_tokens_details":null,"prompt_tokens_details":null}}

data: [DONE]
""")
ERROR = stream(
    'data: {"error": {"message": "litellm.InternalServerError", "type": "None", "param": "None", "code": "500"}}'
)

CASES = {
    "plain": (PLAIN, reported(2018, 13, 1800, 5, cache_write_5m=200)),
    "stream": (STREAM, reported(10, 3)),
    "stream, left by the client": (STREAM.left(1), estimated(20, 1)),
    "stream, cut by the server": (STREAM.cut(1), estimated(20, 1)),
    "stream, an error in the middle": (STREAM.then(1, ERROR), estimated(20, 1)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_litellm(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

"""Groq: a stream has its usage in `x_groq`."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"id":"chatcmpl-f51b","object":"chat.completion","created":1730241104,"model":"llama-3.3-70b","choices":[{"index":0,"message":{"role":"assistant","content":"Fast"},"logprobs":null,"finish_reason":"stop"}],"usage":{"queue_time":0.037493756,"prompt_tokens":18,"prompt_time":0.000680594,"completion_tokens":556,"completion_time":0.463333333,"total_tokens":574,"total_time":0.464013927,"prompt_tokens_details":{"cached_tokens":16}},"x_groq":{"id":"req_01jb"}}
""")
STREAM = stream("""
data: {"id":"chatcmpl-f51b","object":"chat.completion.chunk","created":1,"model":"llama-3.3-70b","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_01jb"}}

data: {"id":"chatcmpl-f51b","object":"chat.completion.chunk","created":1,"model":"llama-3.3-70b","choices":[{"index":0,"delta":{"content":"Fast"},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-f51b","object":"chat.completion.chunk","created":1,"model":"llama-3.3-70b","choices":[{"index":0,"delta":{"reasoning":" so"},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-f51b","object":"chat.completion.chunk","created":1,"model":"llama-3.3-70b","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"x_groq":{"id":"req_01jb","usage":{"queue_time":0.02,"prompt_tokens":18,"prompt_time":0.001,"completion_tokens":4,"total_tokens":22,"total_time":0.1}}}

data: [DONE]
""")
ERROR = stream(
    'data: {"error":{"message":"Failed to call a function","type":"invalid_request_error","code":"tool_use_failed"}}'
)

CASES = {
    "plain": (PLAIN, reported(18, 556, 16)),
    "stream": (STREAM, reported(18, 4)),
    "stream, left by the client": (STREAM.left(3), estimated(20, 2)),
    "stream, cut by the server": (STREAM.cut(2), estimated(20, 1)),
    "stream, an error in the middle": (STREAM.then(3, ERROR), estimated(20, 2)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_groq(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

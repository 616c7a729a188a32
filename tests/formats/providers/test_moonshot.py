"""Moonshot (Kimi): a stream has its usage in its last choice."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"id":"cmpl-04ea","object":"chat.completion","created":1698999496,"model":"kimi-k2","choices":[{"index":0,"message":{"role":"assistant","content":"1+1=2"},"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":21,"total_tokens":40,"cached_tokens":10}}
""")
STREAM = stream("""
data: {"id":"cmpl-1305","object":"chat.completion.chunk","created":1698999575,"model":"kimi-k2","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"cmpl-1305","object":"chat.completion.chunk","created":1698999575,"model":"kimi-k2","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}

data: {"id":"cmpl-1305","object":"chat.completion.chunk","created":1698999575,"model":"kimi-k2","choices":[{"index":0,"delta":{"content":"!"},"finish_reason":null}]}

data: {"id":"cmpl-1305","object":"chat.completion.chunk","created":1698999575,"model":"kimi-k2","choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":1234,"completion_tokens":567,"total_tokens":1801}}]}

data: [DONE]
""")
CHOICES = stream("""
data: {"id":"cmpl-1","object":"chat.completion.chunk","model":"kimi-k2","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}

data: {"id":"cmpl-1","object":"chat.completion.chunk","model":"kimi-k2","choices":[{"index":1,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17}}]}

data: {"id":"cmpl-1","object":"chat.completion.chunk","model":"kimi-k2","choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}]}

data: [DONE]
""")
ERROR = stream('data: {"error":{"message":"The engine is overloaded","type":"engine_overloaded_error"}}')

CASES = {
    "plain": (PLAIN, reported(19, 21, 10)),
    "stream, two choices": (CHOICES, reported(20, 12)),
    "stream": (STREAM, reported(1234, 567)),
    "stream, left by the client": (STREAM.left(3), estimated(20, 2)),
    "stream, cut by the server": (STREAM.cut(3), estimated(20, 2)),
    "stream, an error in the middle": (STREAM.then(3, ERROR), estimated(20, 2)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_moonshot(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

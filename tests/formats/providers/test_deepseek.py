"""DeepSeek: its own names for the cache, and empty lines while it waits."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""



{"id":"930c60df","object":"chat.completion","created":1705651092,"model":"deepseek-reasoner","choices":[{"index":0,"message":{"role":"assistant","content":"Hello!","reasoning_content":"Simple"},"finish_reason":"stop"}],"usage":{"prompt_tokens":160,"completion_tokens":40,"total_tokens":200,"prompt_tokens_details":{"cached_tokens":128},"completion_tokens_details":{"reasoning_tokens":30},"prompt_cache_hit_tokens":128,"prompt_cache_miss_tokens":32}}
""")
WAITING = PLAIN._replace(pieces=(b"\n", b"\n", *PLAIN.pieces))
STREAM = stream("""
: keep-alive

data: {"id":"1f63","object":"chat.completion.chunk","created":1718345013,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":""},"logprobs":null,"finish_reason":null}]}

data: {"id":"1f63","object":"chat.completion.chunk","created":1718345013,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"We"},"logprobs":null,"finish_reason":null}]}

: keep-alive

data: {"id":"1f63","object":"chat.completion.chunk","created":1718345013,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"content":"Hello","reasoning_content":null},"logprobs":null,"finish_reason":null}]}

data: {"id":"1f63","object":"chat.completion.chunk","created":1718345013,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":17,"completion_tokens":9,"total_tokens":26,"prompt_cache_hit_tokens":16,"prompt_cache_miss_tokens":1}}

data: [DONE]
""")
ERROR = stream('data: {"error":{"message":"Server overloaded","type":"server_error","param":null,"code":"503"}}')

CASES = {
    "plain": (PLAIN, reported(160, 40, 128, 30)),
    "plain, after empty lines": (WAITING, reported(160, 40, 128, 30)),
    "stream": (STREAM, reported(17, 9, 16)),
    "stream, left by the client": (STREAM.left(5), estimated(20, 2)),
    "stream, cut by the server": (STREAM.cut(3), estimated(20, 1)),
    "stream, an error in the middle": (STREAM.then(5, ERROR), estimated(20, 2)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_deepseek(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

"""Azure OpenAI: OpenAI chat with the verdicts of its content filter."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"finish_reason":"stop","index":0,"logprobs":null,"message":{"content":"Yes, they do.","refusal":null,"role":"assistant"}}],"created":1728,"id":"chatcmpl-AE","model":"gpt-4o-2024-08-06","object":"chat.completion","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}],"system_fingerprint":"fp","usage":{"completion_tokens":55,"completion_tokens_details":{"reasoning_tokens":0},"prompt_tokens":33,"prompt_tokens_details":{"cached_tokens":0},"total_tokens":88}}
""")
STREAM = stream("""
data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}

data: {"choices":[{"content_filter_results":{},"delta":{"content":"","refusal":null,"role":"assistant"},"finish_reason":null,"index":0,"logprobs":null}],"created":1728,"id":"chatcmpl-AE","model":"gpt-4o","object":"chat.completion.chunk","usage":null}

data: {"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":"Yes"},"finish_reason":null,"index":0,"logprobs":null}],"created":1728,"id":"chatcmpl-AE","model":"gpt-4o","object":"chat.completion.chunk","usage":null}

data: {"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"content_filter","index":0,"logprobs":null}],"created":1728,"id":"chatcmpl-AE","model":"gpt-4o","object":"chat.completion.chunk","usage":null}

data: {"choices":[],"created":1728,"id":"chatcmpl-AE","model":"gpt-4o","object":"chat.completion.chunk","usage":{"completion_tokens":5,"prompt_tokens":33,"total_tokens":38}}

data: [DONE]
""")
ERROR = stream('data: {"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}')

CASES = {
    "plain": (PLAIN, reported(33, 55)),
    "stream": (STREAM, reported(33, 5)),
    "stream, left by the client": (STREAM.left(3), estimated(20, 1)),
    "stream, cut by the server": (STREAM.cut(3), estimated(20, 1)),
    "stream, an error in the middle": (STREAM.then(3, ERROR), estimated(20, 1)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_azure(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

"""OpenAI: text completions; vLLM, llama.cpp and others speak it too."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"id":"cmpl-uqk","object":"text_completion","created":1589478378,"model":"gpt-3.5-turbo-instruct","choices":[{"text":"\\n\\nThis is indeed a test","index":0,"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}
""")
STREAM = stream("""
data: {"id":"cmpl-7iA","object":"text_completion","created":1690759702,"choices":[{"text":"This","index":0,"logprobs":null,"finish_reason":null}],"model":"gpt-3.5-turbo-instruct","usage":null}

data: {"id":"cmpl-7iA","object":"text_completion","created":1690759702,"choices":[{"text":" is","index":0,"logprobs":null,"finish_reason":null}],"model":"gpt-3.5-turbo-instruct","usage":null}

data: {"id":"cmpl-7iA","object":"text_completion","created":1690759702,"choices":[{"text":" one","index":1,"logprobs":null,"finish_reason":null}],"model":"gpt-3.5-turbo-instruct","usage":null}

data: {"id":"cmpl-7iA","object":"text_completion","created":1690759702,"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"model":"gpt-3.5-turbo-instruct","usage":null}

data: {"id":"cmpl-7iA","object":"text_completion","created":1690759702,"choices":[],"model":"gpt-3.5-turbo-instruct","usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}

data: [DONE]
""")
ERROR = stream('data: {"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}')

CASES = {
    "plain": (PLAIN, reported(5, 7)),
    "stream": (STREAM, reported(5, 3)),
    "stream, left by the client": (STREAM.left(3), estimated(20, 3)),
    "stream, cut by the server": (STREAM.cut(2), estimated(20, 2)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), estimated(20, 2)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_openai_completions(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

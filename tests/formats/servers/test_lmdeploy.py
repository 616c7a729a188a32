"""LMDeploy's /generate; its chat is OpenAI's."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"text":"Hi there","output_ids":[13048,1052],"meta_info":{"prompt_tokens":9,"completion_tokens":2,"finish_reason":{"type":"stop"},"output_token_logprobs":[[-0.1,13048],[-0.2,1052]],"routed_experts":null}}
""")
STREAM = stream("""
data: {"text":"Hi","output_ids":[13048],"meta_info":{"prompt_tokens":9,"completion_tokens":1,"finish_reason":null,"output_token_logprobs":null}}

data: {"text":" there","output_ids":[1052],"meta_info":{"prompt_tokens":9,"completion_tokens":2,"finish_reason":{"type":"length"},"output_token_logprobs":null}}

data: [DONE]
""")
CHAT = stream("""
data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"internlm3","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi","gen_tokens":null,"reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"internlm3","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"total_tokens":11,"completion_tokens":2}}

data: [DONE]
""")
ERROR = stream("""
data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"internlm3","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":null},"logprobs":null,"finish_reason":"error"}],"usage":null}

data: [DONE]
""")

CASES = {
    "generate": (PLAIN, reported(9, 2)),
    "generate stream": (STREAM, reported(9, 2)),
    "generate stream, left by the client": (STREAM.left(1), reported(9, 1)),
    "generate stream, cut by the server": (STREAM.cut(1), reported(9, 1)),
    "chat stream": (CHAT, reported(9, 2)),
    "chat stream, cut by the server": (CHAT.cut(1), estimated(20, 1)),
    "chat stream, an error in the middle": (CHAT.then(1, ERROR), estimated(20, 1)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_lmdeploy(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

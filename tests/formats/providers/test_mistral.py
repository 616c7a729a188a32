"""Mistral: chat, also of a model that thinks, and its connectors."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"id":"cmpl-e5cc","object":"chat.completion","model":"magistral-medium","created":1702256327,"choices":[{"index":0,"message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Let me think"}]},{"type":"text","text":"It is 4"}],"tool_calls":null,"prefix":false},"finish_reason":"stop"}],"usage":{"prompt_tokens":16,"total_tokens":50,"completion_tokens":34,"prompt_audio_seconds":null}}
""")
CONNECTORS = plain("""
{"conversation_id":"conv_1","outputs":[{"content":"Hi","object":"entry","type":"message.output","role":"assistant"}],"usage":{"prompt_tokens":4,"completion_tokens":7,"total_tokens":31,"connector_tokens":20,"connectors":{"web_search":1}},"object":"conversation.response"}
""")
STREAM = stream("""
data: {"id":"cmpl-8c","object":"chat.completion.chunk","created":1,"model":"mistral-large","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"cmpl-8c","object":"chat.completion.chunk","created":1,"model":"mistral-large","choices":[{"index":0,"delta":{"content":"Bon"},"finish_reason":null}],"p":"abcdef"}

data: {"id":"cmpl-8c","object":"chat.completion.chunk","created":1,"model":"mistral-large","choices":[{"index":0,"delta":{"content":[{"type":"text","text":"jour"}]},"finish_reason":null}],"p":"abc"}

data: {"id":"cmpl-8c","object":"chat.completion.chunk","created":1,"model":"mistral-large","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":13,"total_tokens":19,"completion_tokens":6}}

data: [DONE]
""")
ERROR = stream(
    'data: {"object":"error","message":"Service unavailable.","type":"internal_server_error","param":null,"code":"3000"}'
)

CASES = {
    "plain": (PLAIN, reported(16, 34)),
    "connectors, which only the total counts": (CONNECTORS, reported(4, 27)),
    "stream": (STREAM, reported(13, 6)),
    "stream, left by the client": (STREAM.left(3), estimated(20, 2)),
    "stream, cut by the server": (STREAM.cut(2), estimated(20, 1)),
    "stream, an error in the middle": (STREAM.then(3, ERROR), estimated(20, 2)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_mistral(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

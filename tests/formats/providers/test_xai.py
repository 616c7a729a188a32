"""xAI: reasoning is counted beside the completion, in the total alone."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"id":"a3d1","object":"chat.completion","created":1752854522,"model":"grok-4","choices":[{"index":0,"message":{"role":"assistant","content":"101 * 3 is 303.","refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,"audio_tokens":0,"image_tokens":0,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0},"num_sources_used":0}}
""")
STREAM = stream("""
data: {"id":"a3d1","object":"chat.completion.chunk","created":1752854522,"model":"grok-4","choices":[{"index":0,"delta":{"content":"303","role":"assistant"}}],"usage":{"prompt_tokens":32,"completion_tokens":1,"total_tokens":127,"completion_tokens_details":{"reasoning_tokens":94}}}

data: {"id":"a3d1","object":"chat.completion.chunk","created":1752854522,"model":"grok-4","choices":[{"index":0,"delta":{"content":"."}}],"usage":{"prompt_tokens":32,"completion_tokens":2,"total_tokens":128,"completion_tokens_details":{"reasoning_tokens":94}}}

data: {"id":"a3d1","object":"chat.completion.chunk","created":1752854522,"model":"grok-4","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":32,"completion_tokens":3,"total_tokens":129,"completion_tokens_details":{"reasoning_tokens":94}}}

data: [DONE]
""")
ERROR = stream('data: {"code":"The service is unavailable","error":"The model is at capacity"}')

CASES = {
    "plain": (PLAIN, reported(32, 103, 6, 94)),
    "stream": (STREAM, reported(32, 97, 0, 94)),
    "stream, left by the client": (STREAM.left(2), reported(32, 96, 0, 94)),
    "stream, cut by the server": (STREAM.cut(1), reported(32, 95, 0, 94)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), reported(32, 96, 0, 94)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_xai(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

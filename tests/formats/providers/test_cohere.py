"""Cohere: chat v2, embed, rerank; what is still spoken of v1."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, lines, plain, stream

PLAIN = plain("""
{"id":"c14c80c3","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"LLMs stand for"}]},"usage":{"billed_units":{"input_tokens":5,"output_tokens":418},"tokens":{"input_tokens":71,"output_tokens":420},"cached_tokens":2}}
""")
STREAM = stream("""
event: message-start
data: {"type":"message-start","id":"29f14a5a","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}

event: content-start
data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"LL"}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Ms"}}}}

event: content-end
data: {"type":"content-end","index":0}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":12},"tokens":{"input_tokens":69,"output_tokens":13}}}}
""")
ERROR = stream('event: message-end\ndata: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"x"}}')
EMBED = plain(
    '{"id":"da6e5","embeddings":{"float":[[0.016,-0.008]]},"texts":["hello"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":2}}}'
)
RERANK = plain(
    '{"results":[{"index":3,"relevance_score":0.999}],"id":"07734bd2","meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}'
)
V1 = lines("""
{"is_finished":false,"event_type":"stream-start","generation_id":"x"}
{"is_finished":false,"event_type":"text-generation","text":"Hi"}
{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":{"response_id":"x","text":"Hi","meta":{"billed_units":{"input_tokens":8,"output_tokens":9},"tokens":{"input_tokens":74,"output_tokens":9}}}}
""")

CASES = {
    "chat": (PLAIN, reported(5, 418, 2)),
    "chat stream": (STREAM, reported(3, 12)),
    "chat stream, left by the client": (STREAM.left(4), estimated(20, 2)),
    "chat stream, cut by the server": (STREAM.cut(3), estimated(20, 1)),
    "chat stream, an error in the middle": (STREAM.then(4, ERROR), estimated(20, 2)),
    "embed": (EMBED, reported(2, 0)),
    "rerank": (RERANK, estimated(20, 0, searches=1)),
    "chat v1 stream": (V1, reported(8, 9)),
    "chat v1 stream, cut by the server": (V1.cut(2), estimated(20, 1)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_cohere(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

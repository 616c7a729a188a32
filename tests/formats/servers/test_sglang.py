"""SGLang's own /generate: text grows from event to event; several prompts add up."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{"text":" Paris. It is","output_ids":[12095,13],"meta_info":{"id":"d1f5","finish_reason":{"type":"length","length":16},"prompt_tokens":5,"weight_version":"default","total_retractions":0,"completion_tokens":16,"cached_tokens":1,"e2e_latency":0.2}}
""")
SEVERAL = plain("""
[{"text":" Paris","meta_info":{"id":"a","finish_reason":{"type":"stop","matched":2},"prompt_tokens":5,"completion_tokens":16,"cached_tokens":0}},{"text":" Rome","meta_info":{"id":"b","finish_reason":{"type":"length","length":9},"prompt_tokens":7,"completion_tokens":9,"cached_tokens":0}}]
""")
STREAM = stream("""
data: {"text":" The","output_ids":[576],"meta_info":{"id":"bb","finish_reason":null,"prompt_tokens":5,"completion_tokens":1,"cached_tokens":4}}

data: {"text":" The capital","output_ids":[576,6722],"meta_info":{"id":"bb","finish_reason":null,"prompt_tokens":5,"completion_tokens":2,"cached_tokens":4}}

data: {"text":" The capital is","output_ids":[576,6722,374],"meta_info":{"id":"bb","finish_reason":{"type":"length","length":3},"prompt_tokens":5,"completion_tokens":3,"cached_tokens":4}}

data: [DONE]
""")
SEVERAL_STREAM = stream("""
data: {"text":" Par","meta_info":{"id":"a","finish_reason":null,"prompt_tokens":5,"completion_tokens":1,"cached_tokens":0},"index":0}

data: {"text":" Rome","meta_info":{"id":"b","finish_reason":{"type":"length","length":9},"prompt_tokens":7,"completion_tokens":9,"cached_tokens":2},"index":1}

data: {"text":" Paris","meta_info":{"id":"a","finish_reason":{"type":"stop","matched":2},"prompt_tokens":5,"completion_tokens":16,"cached_tokens":0},"index":0}

data: [DONE]
""")
ERROR = stream('data: {"error": {"message": "The request was aborted"}}\n\ndata: [DONE]')

CASES = {
    "plain": (PLAIN, reported(5, 16, 1)),
    "several prompts": (SEVERAL, reported(12, 25)),
    "several prompts, stream": (SEVERAL_STREAM, reported(12, 25, 2)),
    "stream": (STREAM, reported(5, 3, 4)),
    "stream, left by the client": (STREAM.left(2), reported(5, 2, 4)),
    "stream, cut by the server": (STREAM.cut(2), reported(5, 2, 4)),
    "stream, an error in the middle": (STREAM.then(1, ERROR), reported(5, 1, 4)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_sglang(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

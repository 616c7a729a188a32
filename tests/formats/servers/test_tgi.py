"""Text Generation Inference's own /generate and /generate_stream; text embeddings inference."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain(
    """
{"generated_text":" blue and green","details":{"finish_reason":"length","generated_tokens":20,"seed":null,"prefill":[],"tokens":[{"id":1,"text":" blue","logprob":-0.1,"special":false}]}}
""",
    "x-compute-type: gpu",
    "x-prompt-tokens: 7",
    "x-generated-tokens: 20",
)
BARE = plain('{"generated_text":" blue"}', "x-compute-type: gpu", "x-prompt-tokens: 7", "x-generated-tokens: 20")
STREAM = stream("""
data:{"index":1,"token":{"id":5,"text":" blue","logprob":-0.6,"special":false},"generated_text":null,"details":null}

data:{"index":2,"token":{"id":6,"text":" and","logprob":-0.6,"special":false},"generated_text":null,"details":null}

data:{"index":3,"token":{"id":7,"text":" green","logprob":-0.6,"special":false},"generated_text":" blue and green","details":{"finish_reason":"length","generated_tokens":3,"input_length":7,"seed":null}}
""")
ERROR = stream('data:{"error":"Request failed during generation: CUDA out of memory","error_type":"generation"}')
EMBED = plain("[[0.1,-0.2],[1e-3,4]]", "x-compute-type: cpu", "x-compute-tokens: 9", "x-compute-characters: 30")

CASES = {
    "plain": (PLAIN, reported(7, 20)),
    "plain, without details": (BARE, reported(7, 20)),
    "stream": (STREAM, reported(7, 3)),
    "stream, left by the client": (STREAM.left(2), estimated(20, 2)),
    "stream, cut by the server": (STREAM.cut(2), estimated(20, 2)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), estimated(20, 2)),
    "embeddings": (EMBED, reported(9, 0)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_tgi(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

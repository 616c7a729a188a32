"""TensorRT-LLM: trtllm-serve's completions, and Triton's /generate and /generate_stream."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

CHAT = plain("""
{"id":"chatcmpl-95","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","reasoning_content":null,"tool_calls":[]},"logprobs":null,"finish_reason":"stop","stop_reason":null,"disaggregated_params":null}],"usage":{"prompt_tokens":9,"total_tokens":34,"completion_tokens":25,"prompt_tokens_details":{"cached_tokens":4}},"prompt_token_ids":null}
""")
GENERATE = plain(
    '{"model_name":"ensemble","model_version":"1","sequence_end":false,"sequence_id":0,"sequence_start":false,"text_output":"What is machine learning, you ask"}'
)
COUNTED = plain(
    '{"model_name":"tensorrt_llm_bls","model_version":"1","num_input_tokens":6,"num_output_tokens":[20],"text_output":"What"}'.replace(
        "[20]", "20"
    )
)
STREAM = stream("""
data: {"model_name":"ensemble","model_version":"1","sequence_end":false,"sequence_id":0,"sequence_start":false,"text_output":" machine"}

data: {"model_name":"ensemble","model_version":"1","sequence_end":false,"sequence_id":0,"sequence_start":false,"text_output":" learning"}

data: {"model_name":"ensemble","model_version":"1","sequence_end":false,"sequence_id":0,"sequence_start":false,"text_output":"?"}
""")
ERROR = stream('data: {"error":"in ensemble \'ensemble\', Executor failed process requestId 1"}')

CASES = {
    "chat": (CHAT, reported(9, 25, 4)),
    "generate": (GENERATE, estimated(20, 7)),
    "generate with counts": (COUNTED, reported(6, 20)),
    "generate stream": (STREAM, estimated(20, 3)),
    "generate stream, left by the client": (STREAM.left(2), estimated(20, 2)),
    "generate stream, cut by the server": (STREAM.cut(2), estimated(20, 2)),
    "generate stream, an error in the middle": (STREAM.then(2, ERROR), estimated(20, 2)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_tensorrt_llm(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

"""Anthropic: messages."""

import pytest

from accesslog.usage import Usage, usage_of
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, lines, plain, stream

PLAIN = plain("""
{"id":"msg_013Zva2CMHLNnjNjJKqJ2EF7","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"thinking","thinking":"Let me see","signature":"EuYB"},{"type":"text","text":"Hi!"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"usage":{"input_tokens":777777}}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":248,"cache_read_input_tokens":1800,"cache_creation":{"ephemeral_5m_input_tokens":48,"ephemeral_1h_input_tokens":200},"output_tokens":503,"output_tokens_details":{"thinking_tokens":400},"server_tool_use":{"web_search_requests":1},"service_tier":"standard"}}
""")
STREAM = stream("""
event: message_start
data: {"type":"message_start","message":{"id":"msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY","type":"message","role":"assistant","content":[],"model":"claude-opus-4-1","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\\"x\\":1"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":" so"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}
""")
ERROR = stream("""
event: error
data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}
""")
# A gateway that repeats the input of the beginning as 0.
ZEROS = stream("""
event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":1500,"output_tokens":1}}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"output_tokens":40}}

event: message_stop
data: {"type":"message_stop"}
""")
DELTA = stream("""
event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}
""")
LONG = STREAM._replace(pieces=STREAM.pieces[:3] + DELTA.pieces * 300)

# What GET …/batches/{id}/results answers.
RESULTS = lines("""
{"custom_id":"a","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5","content":[{"type":"text","text":"Hello, world"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":34,"cache_read_input_tokens":100}}}}
{"custom_id":"b","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"no"}}}}
{"custom_id":"c","result":{"type":"succeeded","message":{"id":"msg_2","type":"message","role":"assistant","model":"claude-sonnet-5","content":[{"type":"text","text":"\\"usage\\""}],"stop_reason":"end_turn","usage":{"input_tokens":11,"output_tokens":36,"cache_read_input_tokens":0}}}}
""")  # fmt: skip
BATCH = plain("""
{"id":"msgbatch_013Z","type":"message_batch","processing_status":"ended","request_counts":{"processing":0,"succeeded":2,"errored":1,"canceled":0,"expired":0},"ended_at":"2026-08-20T18:37:24Z","results_url":"https://x.example/v1/messages/batches/msgbatch_013Z/results"}
""")  # fmt: skip

ADVISED = plain(
    '{"id":"m","type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":30,'
    '"output_tokens":5,"iterations":[{"type":"message","input_tokens":30,"output_tokens":5},'
    '{"type":"advisor_message","model":"a","input_tokens":70,"output_tokens":12,"cache_read_input_tokens":0}]}}'
)
SUMMING_UP = stream(f"""
data: {{"type":"message_start","message":{{"usage":{{"input_tokens":500,"output_tokens":1}}}}}}

data: {{"type":"content_block_delta","index":0,"delta":{{"type":"compaction_delta","content":"{"word " * 180}"}}}}
""")

CASES = {
    "plain": (PLAIN, reported(10 + 248 + 1800, 503, 1800, 400, cache_write_5m=48, cache_write_1h=200, searches=1)),
    "stream": (STREAM, reported(25, 15)),
    "stream, left by the client": (STREAM.left(7), estimated(25, 4)),
    "stream, cut by the server": (STREAM.cut(6), estimated(25, 3)),
    "stream, 300 events and an error": (LONG.then(303, ERROR), estimated(25, 300)),
    "stream, that just ends": (LONG, estimated(25, 300)),
    "stream, left after its end": (STREAM.left(9), reported(25, 15)),
    "stream, zeros at its end": (ZEROS, reported(1500, 40)),
    "with another model's advice": (ADVISED, reported(100, 17)),
    "a context summed up, left by the client": (SUMMING_UP.left(2), estimated(500, 200)),
    "results of a batch": (RESULTS, reported(121, 70, 100)),
}


@pytest.mark.parametrize("size", [3, 100, 10_000])
def test_results_of_a_batch_add_up(meter: Meter, size: int) -> None:
    found = meter.entry(RESULTS.in_pieces_of(size))
    assert usage_of(found) == reported(121, 70, 100)
    assert found.answer.model == "claude-sonnet-5"


def test_a_batch_is_known_by_its_id_and_status(meter: Meter) -> None:
    found = meter.entry(BATCH).answer
    assert (found.id, found.status, found.model) == ("msgbatch_013Z", "ended", "")


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_anthropic(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

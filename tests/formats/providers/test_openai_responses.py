"""OpenAI: the Responses API."""

import pytest

from accesslog.usage import DRAWN_TOKENS, Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, End, plain, stream

PLAIN = plain("""
{"id":"resp_67cc","object":"response","created_at":1741476542,"status":"completed","error":null,"incomplete_details":null,"instructions":null,"model":"gpt-5.4","output":[{"type":"message","id":"msg_67cc","status":"completed","role":"assistant","content":[{"type":"output_text","text":"In a peaceful grove","annotations":[]}]}],"parallel_tool_calls":true,"metadata":{"usage":"{\\"input_tokens\\":9}"},"tools":[{"type":"function","name":"f","parameters":{"properties":{"usage":{"input_tokens":99999,"total_tokens":9999999}}}}],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":16,"cache_write_tokens":4,"cache_write_tokens_details":null},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":40},"total_tokens":123},"user":null}
""")
STREAM = stream("""
event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_67c9","object":"response","created_at":1741290958,"status":"in_progress","error":null,"model":"gpt-5.4","output":[],"usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_67c9","type":"message","status":"in_progress","role":"assistant","content":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":2,"item_id":"msg_67c9","output_index":0,"content_index":0,"delta":"Hi","logprobs":[],"obfuscation":"Tfyh"}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_67c9","output_index":0,"content_index":0,"delta":" there","logprobs":[],"obfuscation":"r"}

event: response.output_text.done
data: {"type":"response.output_text.done","sequence_number":4,"item_id":"msg_67c9","output_index":0,"content_index":0,"text":"Hi there","logprobs":[]}

event: response.completed
data: {"type":"response.completed","sequence_number":5,"response":{"id":"resp_67c9","object":"response","created_at":1741290958,"status":"completed","error":null,"model":"gpt-5.4","output":[{"id":"msg_67c9","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi there","annotations":[]}]}],"usage":{"input_tokens":37,"output_tokens":11,"output_tokens_details":{"reasoning_tokens":6},"input_tokens_details":{"cached_tokens":0},"total_tokens":48}}}
""")
# Images that its tool made, whose tokens its own usage leaves out.
DRAWN = (
    b'"tool_usage":{"image_gen":{"input_tokens":30,"input_tokens_details":{"image_tokens":10,"text_tokens":20},'
    b'"output_tokens":4160,"total_tokens":4190},"web_search":{"num_requests":0}},"usage":{'
)
DREW = stream("""
event: response.image_generation_call.partial_image
data: {"type":"response.image_generation_call.partial_image","sequence_number":4,"item_id":"ig_1","output_index":0,"partial_image_index":0,"partial_image_b64":"iVBORw0KGgo="}
""")
ERROR = stream("""
event: error
data: {"type":"error","sequence_number":4,"code":"server_error","message":"The model produced invalid content","param":null}
""")
FAILED = stream("""
event: response.failed
data: {"type":"response.failed","sequence_number":4,"response":{"id":"resp_67c9","object":"response","status":"failed","error":{"code":"server_error","message":"The model failed"},"usage":null}}
""")


def spoken(kind: str, *, ahead: bool = False) -> Answer:
    """An event with a second of samples; `ahead`: of its kind."""
    fields = [f'"type":"{kind}"', f'"delta":"{"A" * 64_000}"']
    return stream(f"data: {{{','.join(reversed(fields) if ahead else fields)}}}")


SOUND = spoken("response.audio.delta").then(1, spoken("response.output_audio.delta"))

CASES = {
    "plain": (PLAIN, reported(36, 87, 16, 40, cache_write_5m=4)),
    "stream": (STREAM, reported(37, 11, 0, 6)),
    "plain, a cache for two times": (
        PLAIN.changed(
            lambda piece: piece.replace(b'details":null', b'details":{"ttl_12h_tokens":3,"ttl_30m_tokens":1}')
        ),
        reported(36, 87, 16, 40, cache_write_5m=1, cache_write_1h=3),
    ),
    "plain, with an image": (
        PLAIN.changed(lambda piece: piece.replace(b'"usage":{', DRAWN)),
        reported(66, 4247, 16, 40, cache_write_5m=4, image_input=10, image_output=4160),
    ),
    "stream, with an image": (
        STREAM.changed(lambda piece: piece.replace(b'"usage":{', DRAWN)),
        reported(67, 4171, 0, 6, image_input=10, image_output=4160),
    ),
    "stream with an image, left by the client": (
        STREAM.then(4, DREW)._replace(end=End.STALLED),
        estimated(20, 2 + DRAWN_TOKENS, image_output=DRAWN_TOKENS),
    ),
    "sound, left by the client": (SOUND.left(2), estimated(20, 40, audio_output=40)),
    "sound ahead of its kind, left by the client": (
        spoken("response.audio.delta", ahead=True).left(1),
        estimated(20, 20, audio_output=20),
    ),
    "sound and words, left by the client": (STREAM.then(4, SOUND).left(6), estimated(20, 42, audio_output=40)),
    "stream, left by the client": (STREAM.left(4), estimated(20, 2)),
    "stream, cut by the server": (STREAM.cut(4), estimated(20, 2)),
    "stream, an error in the middle": (STREAM.then(4, ERROR), estimated(20, 2)),
    "stream, failed": (STREAM.then(3, FAILED), estimated(20, 1)),
}


@pytest.mark.parametrize("answer", [PLAIN, STREAM], ids=["plain", "stream"])
def test_a_response_is_known_by_its_id_and_status(meter: Meter, answer: Answer) -> None:
    found = meter.entry(answer).answer
    assert (found.id[:8], found.status) == ("resp_67c", "completed")


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_openai_responses(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

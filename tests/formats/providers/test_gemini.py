"""Gemini, as Google AI and Vertex speak it."""

import pytest

from accesslog.tokens_seen import IMAGE_TOKENS
from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import OUTPUT_CAP as CAP
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, array, plain, stream

PLAIN = plain("""
{
  "candidates": [{"content": {"parts": [{"text": "The total is"}, {"functionCall": {"name": "f", "args": {"usageMetadata": {"promptTokenCount": 99999}}}}], "role": "model"}, "finishReason": "STOP", "index": 0}],
  "usageMetadata": {
    "promptTokenCount": 1014, "candidatesTokenCount": 40, "totalTokenCount": 1274, "cachedContentTokenCount": 512,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 600}, {"modality": "AUDIO", "tokenCount": 156}, {"modality": "IMAGE", "tokenCount": 258}],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 30}, {"modality": "AUDIO", "tokenCount": 10}],
    "toolUsePromptTokenCount": 20, "thoughtsTokenCount": 200
  },
  "modelVersion": "gemini-2.5-flash", "responseId": "Bb0"
}
""")
STREAM = stream("""
data: {"candidates": [{"content": {"parts": [{"text": "The"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 21,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 4}],"thoughtsTokenCount": 17},"modelVersion": "gemini-2.5-flash","responseId": "x"}

data: {"candidates": [{"content": {"parts": [{"text": " quick brown fox jumps over the lazy dog"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 10,"totalTokenCount": 31,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 4}],"thoughtsTokenCount": 17},"modelVersion": "gemini-2.5-flash","responseId": "x"}

data: {"candidates": [{"content": {"parts": [{"text": "."}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 11,"totalTokenCount": 32,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 4}],"thoughtsTokenCount": 17},"modelVersion": "gemini-2.5-flash","responseId": "x"}
""")
ARRAY = array("""
{"candidates": [{"content": {"parts": [{"text": "The"}],"role": "model"}}],"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 4}}
{"candidates": [{"content": {"parts": [{"text": " quick brown fox jumps over the lazy dog"}],"role": "model"}}],"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 4}}
{"candidates": [{"content": {"parts": [{"text": "."}],"role": "model"},"finishReason": "STOP"}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 11,"totalTokenCount": 15}}
""")
ERROR = stream('data: {"error": {"code": 503,"message": "The model is overloaded.","status": "UNAVAILABLE"}}')
EMBEDDINGS = plain(
    '{"predictions":[{"embeddings":{"values":[0.1],"statistics":{"truncated":false,"token_count":6}}},{"embeddings":{"statistics":{"token_count":3},"values":[1]}}]}'
)
ARRAY_ERROR = Answer((b',{"error": {"code": 503,"message": "The model is overloaded.","status": "UNAVAILABLE"}}]',))


def piece(data: str, name: str = "inlineData", before: str = "", after: str = "") -> Answer:
    """An event with a file in it."""
    part = f'{before}{{"{name}":{{"data":"{data}"}}}}'
    return stream(f'data: {{"candidates":[{{"content":{{"parts":[{part}],"role":"model"}},"index":0}}]{after}}}')


# A second of samples.
SOUND, SOUND_SNAKE = piece("A" * 64_000), piece("A" * 64_000, "inline_data")
PNG, JPEG = f"iVBORw0K{'A' * 64_000}", f"/9j/{'A' * 64_000}"
IMAGE = piece(PNG, before='{"text":"Here."},')
IMAGE_COUNTED = ',"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":2,"totalTokenCount":14}'
DREW = plain(
    f'{{"candidates":[{{"content":{{"parts":[{{"text":"Here."}},{{"inlineData":{{"data":"{PNG}"}}}}]}},"finishReason":"STOP"}}],'
    '"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":1310,"totalTokenCount":1322,"candidatesTokensDetails":'
    '[{"modality":"IMAGE","tokenCount":1290},{"modality":"TEXT","tokenCount":20}]}}'
)
INTERACTION = plain(
    '{"id":"v1_x","status":"completed","object":"interaction","outputs":[{"type":"text","text":"Hi"}],"usage":'
    '{"total_input_tokens":7,"total_output_tokens":20,"total_thought_tokens":30,"total_cached_tokens":2,'
    '"total_tool_use_tokens":5,"total_tokens":62,"input_tokens_by_modality":[{"modality":"text","tokens":7}]}}'
)
INTERACTION_STREAM = stream("""
data: {"event_type":"interaction.created","interaction":{"id":"v1_x","status":"in_progress"}}

data: {"event_type":"step.delta","index":0,"delta":{"type":"text","text":"Hi"}}

data: {"event_type":"step.delta","index":0,"delta":{"type":"text","text":" there"}}

data: {"event_type":"interaction.completed","interaction":{"id":"v1_x","status":"completed","usage":{"total_input_tokens":7,"total_output_tokens":20,"total_thought_tokens":30,"total_tokens":57}}}
""")

CASES = {
    "plain": (PLAIN, reported(1034, 240, 512, 200, audio_input=156, audio_output=10, image_input=258)),
    "stream": (STREAM, reported(4, 28, 0, 17)),
    "stream, left by the client": (STREAM.left(2), reported(4, 27, 0, 17)),
    "stream, cut after it has thought": (STREAM.cut(1), reported(4, 17, 0, 17)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), reported(4, 27, 0, 17)),
    "sound, left by the client": (SOUND.then(1, SOUND).left(2), estimated(20, 40, audio_output=40)),
    "sound in snake case, left by the client": (SOUND_SNAKE.left(1), estimated(20, 20, audio_output=20)),
    "an image": (DREW, reported(12, 1310, image_output=1290)),
    "an image, left by the client": (IMAGE.left(1), estimated(20, CAP, image_output=CAP)),
    "an interaction": (INTERACTION, reported(12, 50, 2, 30)),
    "an interaction, stream": (INTERACTION_STREAM, reported(7, 50, 0, 30)),
    "an interaction, left by the client": (INTERACTION_STREAM.left(3), estimated(20, 2)),
    "array": (ARRAY, reported(4, 11)),
    "array, left by the client": (ARRAY.left(2), estimated(4, 10)),
    "array, cut by the server": (ARRAY.cut(2), estimated(4, 10)),
    "array, an error in the middle": (ARRAY.then(2, ARRAY_ERROR), estimated(4, 10)),
    "Vertex embeddings": (EMBEDDINGS, reported(9, 0)),
}


SEEN = {
    "one": (IMAGE.left(1), estimated(20, 1 + IMAGE_TOKENS, image_output=IMAGE_TOKENS)),
    "two": (
        IMAGE.then(1, piece(JPEG, "inline_data")).left(2),
        estimated(20, 1 + 2 * IMAGE_TOKENS, image_output=2 * IMAGE_TOKENS),
    ),
    "one without words": (piece(PNG).left(1), estimated(20, IMAGE_TOKENS, image_output=IMAGE_TOKENS)),
    "one that the report leaves out": (
        piece(PNG, after=IMAGE_COUNTED).left(1),
        estimated(12, IMAGE_TOKENS, image_output=IMAGE_TOKENS),
    ),
    "one between sound": (
        SOUND.then(1, IMAGE).then(2, SOUND).left(3),
        estimated(20, 41 + IMAGE_TOKENS, audio_output=40, image_output=IMAGE_TOKENS),
    ),
}


@pytest.mark.parametrize(("answer", "usage"), SEEN.values(), ids=SEEN.keys())
def test_an_image_that_came_before_the_client_left_is_charged(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer, output_cap=8192) == usage


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_gemini(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

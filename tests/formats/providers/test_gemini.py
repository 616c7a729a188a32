"""Gemini, as Google AI and Vertex speak it."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
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
# A second of samples, and an image.
SOUND = stream(
    f'data: {{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"mimeType":"audio/L16;codec=pcm;rate=24000","data":"{"A" * 64_000}"}}}}],"role":"model"}},"index":0}}]}}'
)
IMAGE = stream(
    f'data: {{"candidates":[{{"content":{{"parts":[{{"text":"Here."}},{{"inlineData":{{"mimeType":"image/png","data":"iVBORw0K{"A" * 64_000}"}}}}],"role":"model"}},"index":0}}]}}'
)

CASES = {
    "plain": (PLAIN, reported(1034, 240, 512, 200, audio_input=156, audio_output=10, image_input=258)),
    "stream": (STREAM, reported(4, 28, 0, 17)),
    "stream, left by the client": (STREAM.left(2), reported(4, 27, 0, 17)),
    "stream, cut after it has thought": (STREAM.cut(1), reported(4, 17, 0, 17)),
    "stream, an error in the middle": (STREAM.then(2, ERROR), reported(4, 27, 0, 17)),
    "sound, left by the client": (SOUND.then(1, SOUND).left(2), estimated(20, 40, audio_output=40)),
    "an image, left by the client": (IMAGE.left(1), estimated(20, 1)),
    "array": (ARRAY, reported(4, 11)),
    "array, left by the client": (ARRAY.left(2), estimated(4, 10)),
    "array, cut by the server": (ARRAY.cut(2), estimated(4, 10)),
    "array, an error in the middle": (ARRAY.then(2, ARRAY_ERROR), estimated(4, 10)),
    "Vertex embeddings": (EMBEDDINGS, reported(9, 0)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_gemini(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

"""What the meter in a real Envoy reads of images and sound in a request: their headers, and that they are no text."""

import base64
import json
import random
from typing import Any

import pytest

from ratelimit.tenants.estimates.text import text_tokens
from tests.envoy.chain import Chain
from tests.envoy.metering.test_asked import read
from tests.media import encoded, gif, jpeg, png, wav, webp

IMAGES = {
    "png": png(640, 480),
    "large png": png(640, 480, 2_000_000),
    "jpeg": jpeg(640, 480),
    "jpeg behind 60 kB of EXIF": jpeg(640, 480, 60_000),
    "gif": gif(640, 480),
    "webp": webp(640, 480),
}
PLACES: dict[str, Any] = {
    "OpenAI": lambda data: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    "Responses": lambda data: {"type": "input_image", "image_url": f"data:image/png;base64,{data}"},
    "Anthropic": lambda data: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
    "Gemini": lambda data: {"inlineData": {"mimeType": "image/png", "data": data}},
    "Bedrock": lambda data: {"image": {"format": "png", "source": {"bytes": data}}},
    "Ollama": lambda data: {"role": "user", "content": "x", "images": [data]},
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_an_image_is_read_by_its_header_and_is_no_text(chain: Chain, place: Any, image: bytes) -> None:
    body = read(chain, json.dumps({"messages": [{"role": "user", "content": [place(encoded(image))]}]}))
    assert (body.images, body.sizes) == (1, ((640, 480),))
    assert text_tokens(body.text) < 20


def test_escaped_slashes_and_line_breaks_do_not_shift_a_header(chain: Chain) -> None:
    data = base64.encodebytes(jpeg(640, 480, 3_000)).decode()
    text = json.dumps({"image_url": {"url": f"data:image/jpeg;base64,{data}"}}).replace("/", "\\/")
    assert read(chain, text).sizes == ((640, 480),)


@pytest.mark.parametrize("escaped", [False, True])
def test_images_within_the_prompt_of_tgi_are_no_text(chain: Chain, escaped: bool) -> None:
    picture = f"![a cat](data:image/png;base64,{encoded(png(640, 480, 20_000))})"
    text = json.dumps({"inputs": f"Look: {picture} and {picture} what differs?", "parameters": {"max_new_tokens": 5}})
    body = read(chain, text.replace("/", "\\/") if escaped else text)
    assert (body.images, body.sizes) == (2, ((640, 480),) * 2)
    assert text_tokens(body.text) < 30
    other = read(chain, json.dumps({"inputs": f"{picture}".replace("iVBOR", "hello")}))
    assert other.images == 0
    assert text_tokens(other.text) > 5_000


def test_an_image_elsewhere_is_one_of_unknown_size(chain: Chain) -> None:
    body = read(chain, '{"messages":[{"content":[{"image_url":{"url":"https://x.example/a.png"}}]}]}')
    assert (body.images, body.sizes) == (1, ())
    assert read(chain, '{"messages":[{"annotations":[{"url":"https://x.example/a.png"}]}]}').images == 0


def test_a_prompt_that_looks_like_an_image_is_text(chain: Chain) -> None:
    text = f"data:image/png;base64,{encoded(random.Random(1).randbytes(6000))}"
    body = read(chain, json.dumps({"messages": [{"role": "user", "content": text}]}))
    assert body.images == 0
    assert 4_000 < text_tokens(body.text) < 8_000


def test_speech_lasts_as_long_as_its_header_says(chain: Chain) -> None:
    part = {"type": "input_audio", "input_audio": {"data": encoded(wav(3)), "format": "wav"}}
    body = read(chain, json.dumps({"messages": [{"role": "user", "content": [part]}]}))
    assert 2_990 <= body.audio_ms <= 3_010
    other = {"type": "input_audio", "input_audio": {"data": encoded(b"ID3" + bytes(9_000)), "format": "mp3"}}
    body = read(chain, json.dumps({"messages": [{"role": "user", "content": [other]}]}))
    assert (body.audio_ms, body.audio_bytes // 100) == (0, 90)


@pytest.mark.parametrize(
    ("body", "speaks"),
    [
        ('{"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}}', True),
        ('{"modalities":["text","imgs!"],"audio":{"voice":"alloy","format":"wav"}}', False),
        ('{"generationConfig":{"responseModalities":["AUDIO"]}}', True),
        ('{"generation_config":{"response_modalities":["audio"]}}', True),
        ('{"messages":[{"content":"audio"}]}', False),
        ('{"tools":[{"x":{"modalities":["audio"]}}]}', False),
    ],
)
def test_that_the_answer_is_to_have_sound_is_read(chain: Chain, body: str, speaks: bool) -> None:
    """Also of a body that has the shape of others that were read."""
    others = body.replace("audio", "texts").replace("AUDIO", "TEXTS")
    for each, wanted in [(others, False)] * 3 + [(body, speaks)] * 3 + [(others, False)]:
        assert read(chain, each).speaks is wanted


def test_of_very_many_images_some_are_taken_for_text(chain: Chain) -> None:
    data = encoded(png(64, 64))
    body = read(chain, json.dumps({"images": [data] * 3_000}))
    assert (body.images, len(body.sizes)) == (1_000, 16)
    assert body.text[0] == 2_000 * len(data)

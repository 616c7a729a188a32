"""OpenAI: embeddings, images, speech, transcriptions, batches."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, lines, plain, stream
from tests.media import wav

EMBEDDINGS = plain("""
{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.006929283,-5.336422e-05,1e-3,0.0]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}
""")
IMAGES = plain("""
{"created":1713833628,"data":[{"b64_json":"iVBORw0KGgoAAAANSUhEUgAA"}],"usage":{"total_tokens":1100,"input_tokens":50,"output_tokens":1050,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":1050,"text_tokens":0}}}
""")
IMAGE_STREAM = stream("""
event: image_generation.partial_image
data: {"type":"image_generation.partial_image","b64_json":"iVBORw0KGgo","partial_image_index":0}

event: image_generation.completed
data: {"type":"image_generation.completed","b64_json":"iVBORw0KGgo","usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}
""")
TRANSCRIPTION = plain("""
{"text":"Imagine the wildest idea","logprobs":[{"token":"I","logprob":-0.1,"bytes":[73]}],"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":10,"audio_tokens":4},"output_tokens":101,"total_tokens":115}}
""")
VERBOSE = plain("""
{"task":"transcribe","language":"english","duration":8.47,"text":"The beach was a popular spot on a hot day","segments":[{"id":0,"start":0.0,"end":3.3,"text":" The beach was","tokens":[50364,440,7534]}],"usage":{"type":"duration","seconds":9}}
""")
TRANSCRIPT_STREAM = stream("""
data: {"type":"transcript.text.delta","delta":"I","logprobs":[]}

data: {"type":"transcript.text.delta","delta":" see","logprobs":[]}

data: {"type":"transcript.text.done","text":"I see","logprobs":[],"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}
""")
SPEECH_STREAM = stream("""
data: {"type":"speech.audio.delta","audio":"UklGRiQAAABXQVZFZm10IBAAAAABAAEA"}

data: {"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}
""")


def spoken(begin: str, size: int) -> Answer:
    """An event of speech; `begin` and `size` of its base64."""
    return stream(f'data: {{"type":"speech.audio.delta","audio":"{begin:A<{size}}"}}')


# Two seconds of MP3, whose later pieces begin anywhere in it, and of samples, silent or with a header.
SPEECH_DELTA, SPEECH_MORE = spoken("//PkxAAA", 42_664), spoken("UklGRiQ", 42_664)
SAMPLES_DELTA, WAVE_DELTA, OPUS_DELTA = (
    spoken("//////8A", 128_000),
    spoken("UklGRiQA", 128_000),
    spoken("T2dnUw", 10_664),
)
# Ten seconds of MP3 at 160 kbit/s, as tts-1 makes it, behind a tag of 30 bytes.
MP3 = (b"ID3\x04\x00\x00\x00\x00\x00\x14" + bytes(20) + b"\xff\xf3\xe4\xc4" + bytes(19_966), *[bytes(20_000)] * 9)
SPEECH = Answer(MP3, "audio/mpeg")
WHOLE_SPEECH = SPEECH._replace(headers=("content-length: 200000",))
WAVE = Answer((wav(5, 20_000),), "audio/wav")
# A line of the file with a batch's results: of chat, of responses.
RESULTS = lines("""
{"id":"batch_req_1","custom_id":"a","response":{"status_code":200,"request_id":"r1","body":{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5.4","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."}}],"usage":{"prompt_tokens":22,"completion_tokens":2,"total_tokens":24,"prompt_tokens_details":{"cached_tokens":5}}}},"error":null}
{"id":"batch_req_2","custom_id":"b","response":{"status_code":200,"request_id":"r2","body":{"id":"chatcmpl-2","object":"chat.completion","model":"gpt-5.4","choices":[{"index":0,"message":{"role":"assistant","content":"Hi."}}],"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":6}}}},"error":null}
""")._replace(content_type="application/octet-stream")  # fmt: skip
BATCH = plain("""
{"id":"batch_abc123","object":"batch","model":"gpt-5.4","output_file_id":"file-xyz","endpoint":"/v1/chat/completions","errors":null,"input_file_id":"file-abc123","status":"completed","request_counts":{"total":100,"completed":95,"failed":5},"usage":{"input_tokens":1500,"input_tokens_details":{"cached_tokens":1024},"output_tokens":500,"output_tokens_details":{"reasoning_tokens":300},"total_tokens":2000},"metadata":{"customer_id":"user_123456789"}}
""")

SVG = plain(
    '{"created":1,"data":[{"b64_json":"PHN2Zz4="}],"output_format":"svg","svg_usage":{"input_tokens":100,"model":"g","output_tokens":'
    '900,"reasoning_tokens":300,"total_tokens":1000},"usage":{"input_tokens":50,"output_tokens":1056,"total_tokens":1106}}'
)

CASES = {
    "embeddings": (EMBEDDINGS, reported(8, 0)),
    "images": (IMAGES, reported(50, 1050, image_input=40, image_output=1050)),
    "images, as SVG": (SVG, reported(150, 1956, 0, 300)),
    "images, stream": (IMAGE_STREAM, reported(50, 50, image_input=40)),
    "images, left by the client": (IMAGE_STREAM.left(1), estimated(20, 1)),
    "speech": (SPEECH, estimated(20, 200, audio_output=200)),
    "speech as WAVE": (WAVE, estimated(20, 101, audio_output=101)),
    "speech that does not say its rate": (Answer((bytes(16_000),), "audio/aac"), estimated(20, 20, audio_output=20)),
    "speech as PCM": (Answer((bytes(48_000),), "audio/pcm"), estimated(20, 20, audio_output=20)),
    "speech, left by the client": (SPEECH.left(4), estimated(20, 80, audio_output=80)),
    "speech, cut by the server": (SPEECH.cut(4), estimated(20, 80, audio_output=80)),
    "speech of a known length, left by the client": (WHOLE_SPEECH.left(4), estimated(20, 200, audio_output=200)),
    "speech, stream": (SPEECH_STREAM, reported(14, 101)),
    "speech, stream, left by the client": (
        SPEECH_DELTA.then(1, SPEECH_MORE).left(2),
        estimated(20, 80, audio_output=80),
    ),
    "speech, stream of PCM, left by the client": (SAMPLES_DELTA.left(1), estimated(20, 40, audio_output=40)),
    "speech, stream of WAVE, left by the client": (WAVE_DELTA.left(1), estimated(20, 40, audio_output=40)),
    "speech, stream of Opus, left by the client": (OPUS_DELTA.left(1), estimated(20, 40, audio_output=40)),
    "transcription": (TRANSCRIPTION, reported(14, 101, audio_input=4)),
    "transcription, verbose": (VERBOSE, estimated(20, 9)),
    "transcription, text": (plain("Imagine the wildest idea", content_type="text/plain"), estimated(20, 6)),
    "transcription, stream": (TRANSCRIPT_STREAM, reported(14, 45, audio_input=14)),
    "transcription, cut by the server": (TRANSCRIPT_STREAM.cut(2), estimated(20, 2)),
    "batch": (BATCH, reported(1500, 500, 1024, 300)),
    "results of a batch": (RESULTS, reported(42, 11, 11)),
}


def test_a_batch_is_known_by_its_id_and_status(meter: Meter) -> None:
    found = meter.entry(BATCH).answer
    assert (found.id, found.status) == ("batch_abc123", "completed")
    assert (found.file, found.model) == ("file-xyz", "gpt-5.4")


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_openai_others(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

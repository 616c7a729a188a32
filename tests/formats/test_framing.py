"""However an answer is cut, labelled, compressed or filled: the same is read, and it arrives as it was sent."""

import json
import zlib
from collections.abc import Callable

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.providers import test_anthropic, test_bedrock, test_gemini, test_openai_chat, test_openai_responses
from tests.formats.servers import test_ollama, test_vllm
from tests.formats.wire import JSON, SSE, Answer, End, frames, plain, stream

STREAMS = {
    "chat": (test_openai_chat.STREAM, reported(8, 9, 0, 4)),
    "responses": (test_openai_responses.STREAM, reported(37, 11, 0, 6)),
    "messages": (test_anthropic.STREAM, reported(25, 15)),
    "usage in each event": (test_vllm.STREAM, reported(24, 5)),
}
ALL = STREAMS | {
    "plain": (test_openai_chat.PLAIN, test_openai_chat.CASES["plain"][1]),
    "array": (test_gemini.ARRAY, reported(4, 11)),
    "lines": (test_ollama.CHAT, reported(26, 4)),
    "frames": (test_bedrock.INVOKE, reported(25, 12)),
}


@pytest.mark.parametrize("size", [1, 3, 17, 250, 100_000])
@pytest.mark.parametrize(("answer", "usage"), ALL.values(), ids=ALL.keys())
def test_pieces_of_any_size(meter: Meter, answer: Answer, usage: Usage, size: int) -> None:
    assert meter.usage(answer.in_pieces_of(size)) == usage
    assert meter.received == b"".join(answer.pieces)


CHANGES: dict[str, Callable[[Answer], Answer]] = {
    "lines that end with CR LF": lambda answer: answer.changed(lambda piece: piece.replace(b"\n", b"\r\n")),
    "lines that end with CR": lambda answer: answer.changed(lambda piece: piece.replace(b"\n", b"\r")),
    "no space after the colon": lambda answer: answer.changed(lambda piece: piece.replace(b"data: ", b"data:")),
    "no empty line at the end": lambda answer: answer._replace(
        pieces=tuple(b"".join(answer.pieces).removesuffix(b"data: [DONE]\n\n").rstrip(b"\n").splitlines(keepends=True))
    ),
    "a last line without its end": lambda answer: answer._replace(
        pieces=tuple(b"".join(answer.pieces).rstrip(b"\n").splitlines(keepends=True))
    ),
    "labelled as JSON": lambda answer: answer._replace(content_type=JSON),
    "labelled with a character set": lambda answer: answer._replace(content_type=f"{SSE}; charset=utf-8"),
    "comments between": lambda answer: answer.changed(lambda piece: b": waiting\n\n" + piece),
    "ids and retries": lambda answer: answer.changed(lambda piece: b"id: 1\nretry: 5\n" + piece),
    "a document over two lines": lambda answer: answer.changed(lambda piece: piece.replace(b',"', b',\ndata: "', 1)),
    "an event that is no JSON": lambda answer: answer.changed(lambda piece: b'data: {"a":]{"usage"\n\n' + piece),
    "an event that ends early": lambda answer: answer.changed(lambda piece: b'data: {"usage":{"x":[1,"\n\n' + piece),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize(("answer", "usage"), STREAMS.values(), ids=STREAMS.keys())
def test_streams_that_look_different(
    meter: Meter, answer: Answer, usage: Usage, change: Callable[[Answer], Answer]
) -> None:
    changed = change(answer)
    assert meter.usage(changed) == usage
    assert meter.received == b"".join(changed.pieces)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("size", [1, 5, 64])
def test_line_ends_that_are_cut(meter: Meter, end: bytes, size: int) -> None:
    changed = test_anthropic.STREAM.changed(lambda piece: piece.replace(b"\n", end))
    assert meter.usage(changed.in_pieces_of(size)) == reported(25, 15)


def test_done_in_a_last_line_without_its_end_is_the_end(meter: Meter) -> None:
    text = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: [DONE]'
    assert meter.entry(Answer((text.encode(),))).answer.ended == "done"


@pytest.mark.parametrize("size", [500_000, 10_000_000])
def test_a_long_frame_is_passed_over(meter: Meter, size: int) -> None:
    """An image of more than 1 MiB; what is before and behind it is read."""
    picture = frames('contentBlockDelta {"delta":{"image":"' + "iVBOR" * 500_000 + '"}}')
    answer = test_bedrock.CONVERSE_STREAM.then(3, picture)
    behind = test_bedrock.CONVERSE_STREAM.pieces[3:]
    whole = answer._replace(pieces=(*answer.pieces, *behind)).in_pieces_of(size)
    assert meter.usage(whole) == test_bedrock.CASES["converse stream"][1]


def test_a_frame_that_cannot_be_read_is_not_free(meter: Meter) -> None:
    """What was reserved, as nothing tells of less."""
    answer = test_bedrock.CONVERSE_STREAM.then(3, Answer((b"\xff" * 64,)))
    assert meter.entry(answer).answer.ended == "unread"


@pytest.mark.parametrize(("answer", "usage"), ALL.values(), ids=ALL.keys())
def test_a_server_that_compresses_unasked(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer.compressed()) == usage
    assert meter.received == b"".join(answer.pieces)


def test_a_compressed_stream_that_is_cut(meter: Meter) -> None:
    assert meter.usage(test_openai_chat.STREAM.compressed().cut(4)) == estimated(20, 3)


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "br, gzip"])
@pytest.mark.parametrize("media", [JSON, SSE])
def test_what_cannot_be_decompressed_is_passed_on(meter: Meter, coding: str, media: str) -> None:
    """And costs what was reserved: how many bytes it has says little."""
    body = zlib.compress(b"x" * 1000)
    assert meter.usage(Answer((body,), media, (f"content-encoding: {coding}",)), reserved_tokens=520) == estimated(
        20, 500
    )
    assert meter.received == body


USAGE = '"usage":{"prompt_tokens":8,"completion_tokens":9}'
FAKE = '"usage":{"prompt_tokens":99999,"completion_tokens":99999}'
FILLED = {
    "a text like it": f'{{"choices":[{{"message":{{"content":{json.dumps(FAKE)}}}}}],{USAGE}}}',
    "an object of the client's": f'{{"metadata":{{{FAKE}}},"user":{{{FAKE}}},"tools":[{{{FAKE}}}],{USAGE}}}',
    "arguments of the model's": f'{{"content":[{{"type":"tool_use","input":{{{FAKE}}}}}],{USAGE}}}',
    "an object in a text's place": f'{{"choices":[{{"message":{{"content":{{{FAKE}}}}}}}],{USAGE}}}',
    "a key with an escape": f'{{"\\u0075sage":{{"prompt_tokens":99999}},{USAGE}}}',
    "quotes and backslashes": f'{{"a":"\\\\","b":"\\"","c":"\\\\\\"{{","d":"}}",{USAGE}}}',
    "numbers beyond 64 bits": f'{{"a":18446744073709551615,"b":-1e999,"c":[9223372036854775808],{USAGE}}}',
    "null, a word, an object": f'{{{USAGE[:-1]},"total_tokens":null,"x":"9","y":{{}},"z":[1]}}}}',
    "deep": f'{{"a":{"[" * 5000}{"]" * 5000},"b":{"{" * 1}{"}" * 1},{USAGE}}}',
    "at its begin": f'{{{USAGE},"data":[1,2,3]}}',
}


@pytest.mark.parametrize("size", [7, 100_000])
@pytest.mark.parametrize("text", FILLED.values(), ids=FILLED.keys())
def test_what_is_not_read_does_not_matter(meter: Meter, text: str, size: int) -> None:
    assert meter.usage(plain(text).in_pieces_of(size)) == reported(8, 9)


NO_USAGE = {
    "null": '{"usage":null,"choices":[{"text":"Hello there"}]}',
    "a word": '{"usage":"prompt_tokens 8","choices":[{"text":"Hello there"}]}',
    "negative": '{"usage":{"prompt_tokens":-8,"completion_tokens":-9},"choices":[{"text":"Hello there"}]}',
    "words": '{"usage":{"prompt_tokens":"8","completion_tokens":"9"},"choices":[{"text":"Hello there"}]}',
    "objects": '{"usage":{"prompt_tokens":{},"completion_tokens":[9]},"choices":[{"text":"Hello there"}]}',
    "too much": '{"usage":{"prompt_tokens":9000000000000000000},"choices":[{"text":"Hello there"}]}',
}


@pytest.mark.parametrize("text", NO_USAGE.values(), ids=NO_USAGE.keys())
def test_what_is_no_count_is_no_usage(meter: Meter, text: str) -> None:
    assert meter.usage(plain(text)) == estimated(20, 2)


def test_more_output_than_the_request_allowed_is_not_believed(meter: Meter) -> None:
    text = '{"usage":{"prompt_tokens":8,"completion_tokens":50000000},"choices":[{"text":"Hello there"}]}'
    assert meter.usage(plain(text), output_cap=16) == estimated(8, 2)


def test_an_answer_of_54_mb_passes_and_is_read(meter: Meter) -> None:
    """2,048 embeddings of 1,536 numbers, in one request of OpenAI."""
    vector = json.dumps({"object": "embedding", "embedding": [-0.0123456789012345] * 1200}).encode()
    end = b'],"usage":{"prompt_tokens":8,"total_tokens":8}}'
    answer = Answer((b'{"data":[' + vector, *[b"," + vector] * 2047, end), JSON)
    assert meter.usage(answer) == reported(8, 0)
    assert len(meter.received) == sum(map(len, answer.pieces)) > 50_000_000


def test_an_event_of_several_mb_is_read(meter: Meter) -> None:
    image = "iVBORw0KGgo" * 400_000
    text = f'data: {{"type":"image_generation.completed","b64_json":"{image}","usage":{{"input_tokens":5,"output_tokens":7}}}}'
    assert meter.usage(stream(text)) == reported(5, 7)


def test_an_event_of_much_text_is_counted_as_it_comes(meter: Meter) -> None:
    text = 'data: {"choices":[{"delta":{"content":"' + "word " * 900 + '"}}]}'
    assert meter.usage(stream(text).in_pieces_of(1000).left(3)) == estimated(20, 500)  # 3,000 bytes; the cap


def test_counts_in_trailers(meter: Meter) -> None:
    counts = ("x-compute-type: gpu", "x-prompt-tokens: 7", "x-generated-tokens: 20")
    assert meter.usage(plain('{"generated_text":"Hi"}')._replace(trailers=counts)) == reported(7, 20)


@pytest.mark.parametrize("end", [End.STALLED, End.CUT])
@pytest.mark.parametrize("count", [1, 7, 40, 300])
def test_a_long_stream_is_counted_as_it_goes(meter: Meter, count: int, end: End) -> None:
    """Whenever it ends, what was seen is known within an eighth, and within 16 events."""
    start, event = test_anthropic.STREAM.pieces[0], test_anthropic.DELTA.pieces[0]
    seen = meter.usage(Answer((start, *[event] * count), end=end))
    assert seen.input_tokens == 25
    assert count - min(16, count / 8) <= seen.output_tokens <= count

"""What an answer says beside its tokens that decides on money: the service tier, and the images that it made."""

import pytest

from accesslog.row import row_of
from accesslog.usage import usage_of
from ledger.row import load_parts
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, frames, plain, stream

CHAT = '"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]'
USAGE = '"usage":{"prompt_tokens":9,"completion_tokens":2}'
TIERS = {
    "OpenAI chat": (plain(f'{{"id":"c","service_tier":"flex",{CHAT},{USAGE}}}'), "flex"),
    "OpenAI chat, stream, left by the client": (
        stream("""
data: {"id":"c","object":"chat.completion.chunk","service_tier":"priority","choices":[{"index":0,"delta":{"content":"I"}}]}

data: {"id":"c","object":"chat.completion.chunk","service_tier":"priority","choices":[{"index":0,"delta":{"content":" see"}}]}

data: [DONE]
""").left(2),
        "priority",
    ),
    "OpenAI Responses, stream": (
        stream("""
data: {"type":"response.created","response":{"id":"resp_1","status":"in_progress","service_tier":"auto","usage":null}}

data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","service_tier":"default","usage":{"input_tokens":9,"output_tokens":2}}}
"""),
        "default",
    ),
    "Anthropic": (
        plain(
            '{"id":"m","type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn",'
            '"usage":{"input_tokens":9,"output_tokens":2,"service_tier":"batch"}}'
        ),
        "batch",
    ),
    "Anthropic, stream": (
        stream("""
event: message_start
data: {"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":25,"output_tokens":1,"service_tier":"priority"}}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}
"""),
        "priority",
    ),
    "Bedrock Converse": (
        plain(
            '{"output":{"message":{"content":[{"text":"Hi"}]}},"stopReason":"end_turn",'
            '"serviceTier":{"type":"flex"},"usage":{"inputTokens":9,"outputTokens":2}}'
        ),
        "flex",
    ),
    "Gemini": (
        plain(
            '{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":'
            '{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":11,"trafficType":"ON_DEMAND_PRIORITY"}}'
        ),
        "on_demand_priority",
    ),
    "none": (plain(f'{{"id":"c",{CHAT},{USAGE}}}'), ""),
    "null": (plain(f'{{"id":"c","service_tier":null,{CHAT},{USAGE}}}'), ""),
    "elsewhere": (plain(f'{{"id":"c","metadata":{{"service_tier":"batch"}},{CHAT},{USAGE}}}'), ""),
    "long": (plain(f'{{"id":"c","service_tier":"{"x" * 100}",{CHAT},{USAGE}}}'), "x" * 64),
}


@pytest.mark.parametrize(("answer", "tier"), TIERS.values(), ids=TIERS.keys())
def test_the_service_tier_is_that_of_the_answer(meter: Meter, answer: Answer, tier: str) -> None:
    assert meter.entry(answer).answer.service_tier == tier


def test_what_is_begun_as_a_batch_is_one_whatever_the_answer_says(meter: Meter) -> None:
    entry = meter.entry(plain('{"id":"batch_1","status":"validating"}'), kind="batches", inference=False)
    assert row_of(entry, usage_of(entry)).service_tier == "batch"


IMAGES = {
    "by URL": (
        plain('{"created":1,"data":[{"url":"https://x/1.png","revised_prompt":"a"},{"url":"https://x/2.png"}]}'),
        2,
    ),
    "as base64, which the other key leaves open": (plain('{"data":[{"b64_json":"iVBO","url":null}]}'), 1),
    "large, and cut anywhere": (
        plain(
            '{"data":[' + ",".join('{"b64_json":"' + "iVBORw0KGgo" * 5000 + '"}' for _ in range(4)) + "]}"
        ).in_pieces_of(1021),
        4,
    ),
    "fewer than were asked for": (plain('{"data":[{"url":"https://x/1.png"}]}'), 1),
    "Vertex": (plain('{"predictions":[{"bytesBase64Encoded":"iVBO","mimeType":"image/png"}]}'), 1),
    "none that can be seen": (plain("PNG", content_type="image/png"), 3),
}


@pytest.mark.parametrize(("answer", "images"), IMAGES.values(), ids=IMAGES.keys())
def test_images_that_were_made_are_counted(meter: Meter, answer: Answer, images: int) -> None:
    entry = meter.entry(answer, kind="draws", images=3, output_cap=0)
    assert load_parts(row_of(entry, usage_of(entry)).parts)["images"] == images


def test_an_answer_of_another_kind_has_made_none(meter: Meter) -> None:
    entry = meter.entry(plain(f'{{"data":[{{"url":"x"}}],{CHAT},{USAGE}}}'))
    assert row_of(entry, usage_of(entry)).parts is None


def test_frames_name_their_tier(meter: Meter) -> None:
    answer = frames('metadata {"usage":{"inputTokens":9,"outputTokens":2},"serviceTier":{"type":"priority"}}')
    assert meter.entry(answer).answer.service_tier == "priority"


SEARCHES = {
    "Anthropic": (
        plain(
            '{"id":"m","type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":'
            '{"input_tokens":9,"output_tokens":2,"server_tool_use":{"web_search_requests":3,"web_fetch_requests":7}}}'
        ),
        3,
    ),
    "Anthropic, stream": (
        stream("""
data: {"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}

data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15,"server_tool_use":{"web_search_requests":2}}}

data: {"type":"message_stop"}
"""),
        2,
    ),
    "OpenAI Responses": (
        plain(
            '{"id":"r","status":"completed","output":[],"usage":{"input_tokens":9,"output_tokens":2},'
            '"tool_usage":{"image_gen":{},"web_search":{"num_requests":4}}}'
        ),
        4,
    ),
    "Gemini interactions": (
        plain(
            '{"id":"i","status":"completed","usage":{"total_input_tokens":9,"total_output_tokens":2,"grounding_tool_count":'
            '[{"type":"google_search","count":5},{"type":"google_maps","count":8}]}}'
        ),
        5,
    ),
    "Cohere rerank": (
        plain('{"results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1.0}}}'),
        1,
    ),
    "none": (plain(f'{{"id":"c",{CHAT},{USAGE}}}'), 0),
    "somebody's text": (plain(f'{{"id":"c",{CHAT},{USAGE},"metadata":{{"meta.billed_units.search_units":9}}}}'), 0),
    "more than anybody makes": (
        plain(f'{{"id":"c",{CHAT},"usage":{{"prompt_tokens":9,"completion_tokens":2,"num_sources_used":99999999}}}}'),
        10**6,
    ),
}


@pytest.mark.parametrize(("answer", "searches"), SEARCHES.values(), ids=SEARCHES.keys())
def test_searches_of_the_provider_are_counted(meter: Meter, answer: Answer, searches: int) -> None:
    entry = meter.entry(answer)
    assert load_parts(row_of(entry, usage_of(entry)).parts).get("searches", 0) == searches

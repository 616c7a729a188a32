"""Answers that other gateways, clients and model servers got wrong, by the public report that shows them."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, lines, plain, stream

COMPACTED = (
    '"iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":2500,"cache_read_input_tokens":1000},'
    '{"type":"compaction","input_tokens":0,"output_tokens":1000},'
    '{"type":"message","input_tokens":23000,"output_tokens":1000,"cache_read_input_tokens":0}]'
)
MESSAGE = '{"id":"m","type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":'
OPENROUTER = '{"prompt_tokens":28,"completion_tokens":38,"total_tokens":66,"cost":7.1e-05,"is_byok":false,"cost_details":{"upstream_inference_cost":null}}'


def events(*documents: str) -> Answer:
    return stream("\n\n".join(f"data: {document}" for document in documents))


def anthropic(at_start: str, at_end: str) -> Answer:
    """A stream that reports these counts of its input and output."""
    return events(
        f'{{"type":"message_start","message":{{"id":"m","type":"message","content":[],"usage":{{{at_start}}}}}}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}',
        f'{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{{{at_end}}}}}',
        '{"type":"message_stop"}',
    )


def chat(usage: str, more: str = "") -> Answer:
    choice = '{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}'
    return plain(f'{{"id":"c","object":"chat.completion","choices":[{choice}],"usage":{usage}{more}}}')


def chunk(delta: str, finish: str = "null", more: str = "") -> str:
    return f'{{"id":"c","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]{more}}}'


HI, STOP, DONE = chunk('{"content":"Hi"}'), chunk("{}", '"stop"'), "[DONE]"
CREATED = '{"type":"response.created","response":{"id":"r","status":"in_progress","usage":null}}'
DELTA = '{"type":"response.output_text.delta","delta":"Hi"}'


def response(how: str, usage: str) -> str:
    return f'{{"type":"response.{how}","response":{{"id":"r","status":"{how}"{usage}}}}}'


def gemini(parts: str, usage: str, finish: str = ',"finishReason":"STOP"') -> str:
    return f'{{"candidates":[{{"content":{{"parts":[{parts}]}}{finish}}}],"usageMetadata":{{{usage}}}}}'


GROWING = tuple(
    chunk('{"content":" a"}', more=f',"usage":{{"prompt_tokens":9,"completion_tokens":{15 * i * (i + 1)}}}')
    for i in range(1, 30)
)

REPORTS: dict[str, tuple[Answer, Usage]] = {
    "maximhq/bifrost#5354: all input at the start, what was cached at the end": (
        anthropic(
            '"input_tokens":10000,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1',
            '"input_tokens":100,"cache_creation_input_tokens":0,"cache_read_input_tokens":9900,"output_tokens":40',
        ),
        reported(10000, 40, 9900),
    ),
    "jeremychone/rust-genai#258: a cache that only the end tells of": (
        anthropic(
            '"input_tokens":3602,"output_tokens":0',
            '"cache_creation_input_tokens":0,"cache_read_input_tokens":3604,"output_tokens":40',
        ),
        reported(3604, 40, 3604),
    ),
    "envoyproxy/ai-gateway#2290: input at the end alone": (
        anthropic(
            '"input_tokens":0,"output_tokens":0',
            '"input_tokens":4522,"cache_creation_input_tokens":4511,"output_tokens":5',
        ),
        reported(9033, 5, cache_write_5m=4511),
    ),
    "envoyproxy/ai-gateway#2279: the same input twice": (
        anthropic(
            '"input_tokens":9,"cache_read_input_tokens":1,"output_tokens":0',
            '"input_tokens":9,"cache_read_input_tokens":1,"output_tokens":16',
        ),
        reported(10, 16, 1),
    ),
    "sgl-project/sglang#29703: input and cache at the start alone": (
        anthropic('"input_tokens":4,"cache_read_input_tokens":512,"output_tokens":0', '"output_tokens":16'),
        reported(516, 16, 512),
    ),
    "maximhq/bifrost#3451: what was written into the cache": (
        anthropic(
            '"input_tokens":6,"cache_creation_input_tokens":159217,"output_tokens":3',
            '"input_tokens":6,"cache_creation_input_tokens":159217,"output_tokens":274',
        ),
        reported(159223, 274, cache_write_5m=159217),
    ),
    "BerriAI/litellm#27065: a context that was summed up": (
        plain(f'{MESSAGE}{{"input_tokens":23000,"output_tokens":1000,"cache_read_input_tokens":0,{COMPACTED}}}}}'),
        reported(204000, 4500, 1000),
    ),
    "maximhq/bifrost#6500: a context that was summed up, in a stream": (
        anthropic(
            '"input_tokens":0,"output_tokens":0',
            f'"input_tokens":23000,"output_tokens":1000,"cache_read_input_tokens":0,{COMPACTED}',
        ),
        reported(204000, 4500, 1000),
    ),
    "anomalyco/opencode#28758: no input that was read": (
        chat('{"prompt_tokens":0,"completion_tokens":400,"total_tokens":400}'),
        estimated(20, 400),
    ),
    "sgl-project/sglang#10012: a response without its input": (
        plain(
            '{"id":"r","object":"response","status":"completed","output":[{"type":"message","content":[{"type":'
            '"output_text","text":"Hi"}]}],"usage":{"prompt_tokens":0,"completion_tokens":12,"total_tokens":12}}'
        ),
        estimated(20, 12),
    ),
    "ollama/ollama#5370: zero for a prompt in the cache": (
        lines(
            '{"model":"q","message":{"role":"assistant","content":"Hi"},"done":false}\n'
            '{"model":"q","message":{"content":""},"done":true,"prompt_eval_count":0,"eval_count":62}'
        ),
        estimated(20, 62),
    ),
    "ollama/ollama#3427: nothing for it, and thoughts": (
        lines(
            '{"model":"q","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}\n'
            '{"model":"q","message":{"content":""},"done":true,"done_reason":"stop","eval_count":62}'
        ),
        estimated(20, 62),
    ),
    "BerriAI/litellm#37994: zeros that are true": (
        events(chunk('{"content":""}'), '{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}', DONE),
        reported(0, 0),
    ),
    "vllm-project/vllm-omni#2313: an output that is added up again and again": (
        events(*GROWING, STOP, DONE),
        estimated(9, 29),
    ),
    "BerriAI/litellm#36168: usage beside a choice": (
        events(
            HI,
            chunk(
                "{}",
                more=',"usage":{"prompt_tokens":16111,"completion_tokens":2,"total_tokens":16113,"prompt_tokens_details":{"cached_tokens":15872}}',
            ),
            DONE,
        ),
        reported(16111, 2, 15872),
    ),
    "QuantumNous/new-api#7241: an incomplete response": (
        events(
            CREATED,
            DELTA,
            response(
                "incomplete",
                ',"usage":{"input_tokens":64,"output_tokens":1500,"output_tokens_details":{"reasoning_tokens":1490}}',
            ),
        ),
        reported(64, 1500, 0, 1490),
    ),
    "envoyproxy/ai-gateway#2184: a failed response that tells its usage": (
        events(
            CREATED,
            DELTA,
            response("failed", ',"error":{"code":"server_error"},"usage":{"input_tokens":64,"output_tokens":150}'),
        ),
        reported(64, 150),
    ),
    "router-for-me/CLIProxyAPI#2179: a response that ends without usage": (
        events(CREATED, DELTA, DELTA, response("completed", "")),
        estimated(20, 2),
    ),
    "QuantumNous/new-api#7427: a response that was begun, and no more": (events(CREATED).cut(1), estimated(20, 1)),
    "a comment on QuantumNous/new-api#7241: `response.done`": (
        events(DELTA, response("done", ',"usage":{"input_tokens":7,"output_tokens":3}')),
        reported(7, 3),
    ),
    "Portkey-AI/gateway#1754: a cache in the total alone": (
        chat(
            '{"prompt_tokens":10,"completion_tokens":40,"total_tokens":5070,"cache_read_input_tokens":5000,'
            '"cache_creation_input_tokens":20,"prompt_tokens_details":{"cached_tokens":5000}}'
        ),
        reported(5030, 40, 5000, cache_write_5m=20),
    ),
    "Portkey-AI/gateway#1210: more from the cache than there was input": (
        chat('{"prompt_tokens":10,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":5000}}'),
        reported(5000, 40, 5000),
    ),
    "langchain-ai/langchainjs#9912: a first event with the cache alone": (
        events(
            gemini('{"text":"Hi"}', '"cachedContentTokenCount":5100', ""),
            gemini(
                '{"text":" x"}',
                '"promptTokenCount":5105,"candidatesTokenCount":16,"totalTokenCount":5121,"cachedContentTokenCount":5100',
            ),
        ),
        reported(5105, 16, 5100),
    ),
    "ding113/claude-code-hub#691: a first event with less": (
        events(
            gemini('{"text":"Hi"}', '"promptTokenCount":349,"totalTokenCount":349', ""),
            gemini(
                '{"text":" x"}',
                '"promptTokenCount":349,"candidatesTokenCount":226,"thoughtsTokenCount":346,"totalTokenCount":921',
            ),
        ),
        reported(349, 572, 0, 346),
    ),
    "Wei-Shaw/sub2api#554: thoughts": (
        plain(
            gemini(
                '{"text":"Hi"}',
                '"promptTokenCount":55021,"candidatesTokenCount":923,"totalTokenCount":56729,"thoughtsTokenCount":785',
            )
        ),
        reported(55021, 1708, 0, 785),
    ),
    "BerriAI/litellm#11626: OpenRouter's usage, in dollars too, after the end": (
        events(HI, STOP, f'{{"choices":[{{"index":0,"delta":{{"content":""}}}}],"usage":{OPENROUTER}}}', DONE),
        reported(28, 38),
    ),
    "BerriAI/litellm#21406: OpenRouter's comments while it waits": (
        Answer(
            (b": OPENROUTER PROCESSING\n\n", *events(HI, STOP, f'{{"choices":[],"usage":{OPENROUTER}}}', DONE).pieces)
        ),
        reported(28, 38),
    ),
    "QuantumNous/new-api#6144: xAI's cache in a stream": (
        events(
            HI,
            chunk(
                "{}",
                '"stop"',
                ',"usage":{"prompt_tokens":1816,"completion_tokens":64,"total_tokens":1963,"prompt_tokens_details":{"cached_tokens":1792},"completion_tokens_details":{"reasoning_tokens":83},"num_sources_used":2}',
            ),
            DONE,
        ),
        reported(1816, 147, 1792, 83, searches=2),
    ),
    "ggml-org/llama.cpp#15827: progress of a prompt": (
        events(
            '{"choices":[{"index":0,"delta":{"content":null}}],"prompt_progress":{"total":237,"cache":230,"processed":237}}',
            HI,
            STOP,
            '{"choices":[],"timings":{"cache_n":236,"prompt_n":1,"predicted_n":35,"predicted_ms":661.0}}',
            DONE,
        ),
        reported(237, 35, 236),
    ),
    "ml-explore/mlx-lm#1279: timings that leave out the cache, beside usage": (
        events(
            HI,
            STOP,
            '{"choices":[],"usage":{"prompt_tokens":120,"completion_tokens":8},"timings":{"prompt_n":20,"predicted_n":8}}',
            DONE,
        ),
        reported(120, 8),
    ),
    "cloudflare/ai#491: names in camel case": (
        plain('{"output":{},"stopReason":"end_turn","usage":{"inputTokens":13,"outputTokens":12,"totalTokens":25}}'),
        reported(13, 12),
    ),
    "TheTom/vllm-swift#19: a stream that ignores `include_usage`": (events(HI, HI, STOP, DONE), estimated(20, 2)),
    "vercel/ai#17326: zeros at the start": (
        anthropic('"input_tokens":0,"output_tokens":0', '"input_tokens":12,"output_tokens":9'),
        reported(12, 9),
    ),
    "agentgateway/agentgateway#1089: output 1 at the start": (
        anthropic('"input_tokens":12,"output_tokens":1', '"output_tokens":1037'),
        reported(12, 1037),
    ),
    "Groq's compound systems: the usage of each model again": (
        chat(
            '{"prompt_tokens":700,"completion_tokens":90}',
            ',"usage_breakdown":{"models":[{"model":"a","usage":{"prompt_tokens":300,"completion_tokens":40}}]}',
        ),
        reported(700, 90),
    ),
}


@pytest.mark.parametrize(("answer", "usage"), REPORTS.values(), ids=REPORTS.keys())
def test_what_others_got_wrong(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

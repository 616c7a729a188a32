"""Amazon Bedrock: Converse and InvokeModel."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, chunks, frames, plain

CONVERSE = plain("""
{"metrics":{"latencyMs":1175},"output":{"message":{"content":[{"text":"Here is a list"}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":125,"outputTokens":60,"totalTokens":1385,"cacheReadInputTokens":1000,"cacheWriteInputTokens":200,"cacheDetails":[{"ttl":"1h","inputTokens":150},{"inputTokens":50,"ttl":"5m"}]}}
""")
CONVERSE_STREAM = frames("""
messageStart {"p":"abcdefghijk","role":"assistant"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Hello"},"p":"abcd"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":" there"},"p":"abcdefg"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"!"},"p":"ab"}
contentBlockStop {"contentBlockIndex":0,"p":"abc"}
messageStop {"p":"abcdef","stopReason":"end_turn"}
metadata {"metrics":{"latencyMs":622},"p":"abc","usage":{"inputTokens":13,"outputTokens":5,"serverToolUsage":{},"totalTokens":18}}
""")
EXCEPTION = frames('!modelStreamErrorException {"message":"The model failed","originalStatusCode":500}')
INVOKE = chunks("""
{"type":"message_start","message":{"id":"msg_bdrk_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":25,"output_tokens":1}}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" \\u4f60"}}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}}
{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":25,"outputTokenCount":12,"invocationLatency":719,"firstByteLatency":548}}
""")
TITAN_STREAM = chunks("""
{"outputText":"Hi","index":0,"totalOutputTextTokenCount":null,"completionReason":null,"inputTextTokenCount":5}
{"outputText":" you","index":0,"totalOutputTextTokenCount":7,"completionReason":"FINISH","inputTextTokenCount":null,"amazon-bedrock-invocationMetrics":{"inputTokenCount":5,"outputTokenCount":7}}
""")
NOVA = chunks("""
{"messageStart":{"role":"assistant"}}
{"contentBlockDelta":{"delta":{"text":"Hi"},"contentBlockIndex":0}}
{"contentBlockDelta":{"delta":{"text":" you"},"contentBlockIndex":0}}
{"contentBlockStop":{"contentBlockIndex":0}}
{"messageStop":{"stopReason":"end_turn"}}
{"metadata":{"usage":{"inputTokens":9,"outputTokens":2}},"amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":2,"cacheReadInputTokenCount":4,"cacheWriteInputTokenCount":0}}
""")
# Converse has both names of each count of its cache.
NOVA_PLAIN = plain(
    '{"output":{"message":{"content":[{"text":"Hi"}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":9,'
    '"outputTokens":2,"totalTokens":15,"cacheReadInputTokenCount":4,"cacheReadInputTokens":4,"cacheWriteInputTokenCount":0}}'
)
HEADERS = plain(
    '{"outputs":[{"text":"Bonjour","stop_reason":"stop"}]}',
    "x-amzn-bedrock-input-token-count: 14",
    "x-amzn-bedrock-output-token-count: 3",
    "x-amzn-bedrock-cache-read-input-token-count: 100",
)
TITAN = plain(
    '{"inputTextTokenCount":5,"results":[{"tokenCount":32,"outputText":"Hi","completionReason":"FINISH"},{"tokenCount":8,"outputText":"Ho","completionReason":"FINISH"}]}'
)
LLAMA = plain('{"generation":"Hi","prompt_token_count":22,"generation_token_count":31,"stop_reason":"stop"}')

CASES = {
    "converse": (CONVERSE, reported(1325, 60, 1000, cache_write_5m=50, cache_write_1h=150)),
    "converse stream": (CONVERSE_STREAM, reported(13, 5)),
    "converse stream, left by the client": (CONVERSE_STREAM.left(4), estimated(20, 3)),
    "converse stream, cut by the server": (CONVERSE_STREAM.cut(3), estimated(20, 2)),
    "converse stream, an exception in the middle": (CONVERSE_STREAM.then(3, EXCEPTION), estimated(20, 2)),
    "converse stream, byte by byte": (CONVERSE_STREAM.in_pieces_of(1), reported(13, 5)),
    "invoke stream": (INVOKE, reported(25, 12)),
    "invoke stream, left by the client": (INVOKE.left(3), estimated(25, 2)),
    "invoke stream, cut by the server": (INVOKE.cut(3), estimated(25, 2)),
    "invoke stream, an exception in the middle": (INVOKE.then(3, EXCEPTION), estimated(25, 2)),
    "invoke stream of Titan": (TITAN_STREAM, reported(5, 7)),
    "invoke stream of Nova": (NOVA, reported(13, 2, 4)),
    "invoke stream of Nova, left by the client": (NOVA.left(3), estimated(20, 2)),
    "invoke, Nova": (NOVA_PLAIN, reported(13, 2, 4)),
    "invoke, counts in headers": (HEADERS, reported(114, 3, 100)),
    "invoke, Titan": (TITAN, reported(5, 40)),
    "invoke, Llama": (LLAMA, reported(22, 31)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_bedrock(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

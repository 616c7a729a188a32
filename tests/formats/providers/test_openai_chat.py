"""OpenAI: chat completions."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, plain, stream

PLAIN = plain("""
{
  "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "object": "chat.completion", "created": 1741569952, "model": "gpt-5.4",
  "choices": [{
    "index": 0,
    "message": {"role": "assistant", "content": "Hello! How can I assist you today?", "refusal": null, "annotations": []},
    "logprobs": null, "finish_reason": "stop"
  }],
  "usage": {
    "prompt_tokens": 19, "completion_tokens": 40, "total_tokens": 59,
    "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 4, "image_tokens": 2, "cache_write_tokens": 3},
    "completion_tokens_details": {
      "reasoning_tokens": 30, "audio_tokens": 1, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
    }
  },
  "service_tier": "default", "system_fingerprint": null
}
""")
STREAM = stream("""
data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-5.4","service_tier":"default","system_fingerprint":"fp_b7","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"0X4jhNBx"}

data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-5.4","service_tier":"default","system_fingerprint":"fp_b7","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"uFlgu"}

data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-5.4","service_tier":"default","system_fingerprint":"fp_b7","choices":[{"index":0,"delta":{"content":"!"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"q5M6n6pIB"}

data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-5.4","service_tier":"default","system_fingerprint":"fp_b7","choices":[{"index":0,"delta":{"content":" \\"usage\\""},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"CgE"}

data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-5.4","service_tier":"default","system_fingerprint":"fp_b7","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null,"obfuscation":"Mz1"}

data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-5.4","service_tier":"default","system_fingerprint":"fp_b7","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":9,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":"dPLo"}

data: [DONE]
""")
TOOLS = stream("""
data: {"id":"chatcmpl-7","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":""}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-7","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"usage\\":{\\"prompt_tokens\\":"}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-7","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"999}}"}}]},"finish_reason":null}]}
""")
ERROR = stream('data: {"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}')
# Half a second of 24,000 samples of 16 bits in each, and what is said in it.
SOUND = stream(
    f'data: {{"id":"chatcmpl-9","object":"chat.completion.chunk","choices":[{{"index":0,"delta":{{"audio":{{"id":"audio_1","data":"{"A" * 32_000}"}}}}}}]}}\n\n'
    'data: {"id":"chatcmpl-9","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"audio":{"transcript":" yes"}}}]}'
)
# Two seconds of it, and no word of its use.
SPOKEN = plain(
    f'{{"id":"chatcmpl-9","object":"chat.completion","choices":[{{"index":0,"message":{{"role":"assistant","content":null,"audio":{{"id":"audio_1","data":"UklGRiQA{"A" * 127_992}","transcript":"Yes."}}}},"finish_reason":"stop"}}]}}'
)

CASES = {
    "plain": (PLAIN, reported(19, 40, 10, 30, cache_write_5m=3, audio_input=4, audio_output=1, image_input=2)),
    "plain, cut by the server": (PLAIN.in_pieces_of(300).cut(2), estimated(20, 8)),
    "stream": (STREAM, reported(8, 9, 0, 4)),
    "stream, left by the client": (STREAM.left(4), estimated(20, 3)),
    "stream, cut by the server": (STREAM.cut(4), estimated(20, 3)),
    "stream, an error in the middle": (STREAM.then(3, ERROR), estimated(20, 2)),
    "stream that nobody asked for its usage": (STREAM.then(5, stream("data: [DONE]")), estimated(20, 3)),
    "sound, left by the client": (SOUND.then(2, SOUND).left(4), estimated(20, 22, audio_output=20)),
    "sound, plain, without usage": (SPOKEN, estimated(20, 41, audio_output=40)),
    "tool calls, left by the client": (TOOLS.left(3), estimated(20, 9)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_openai_chat(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

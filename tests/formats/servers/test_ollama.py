"""Ollama's own /api/chat, /api/generate and /api/embed."""

import pytest

from accesslog.usage import Usage
from tests.formats.charge import estimated, reported
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, lines, plain

PLAIN = plain("""
{"model":"llama3.2","created_at":"2023-12-12T14:13:43.416799Z","message":{"role":"assistant","content":"Hello! How are you today?"},"done_reason":"stop","done":true,"total_duration":5191566416,"load_duration":2154458,"prompt_eval_count":26,"prompt_eval_duration":383809000,"eval_count":298,"eval_duration":4799921000}
""")
CHAT = lines("""
{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406Z","message":{"role":"assistant","content":"The"},"done":false}
{"model":"llama3.2","created_at":"2023-08-04T08:52:19.485406Z","message":{"role":"assistant","content":"","thinking":" sky"},"done":false}
{"model":"llama3.2","created_at":"2023-08-04T08:52:19.585406Z","message":{"role":"assistant","content":" is"},"done":false}
{"model":"llama3.2","created_at":"2023-08-04T19:22:45.499127Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":4883583458,"prompt_eval_count":26,"eval_count":4,"eval_duration":4232710000}
""")
GENERATE = lines("""
{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406Z","response":"The","done":false}
{"model":"llama3.2","created_at":"2023-08-04T08:52:19.485406Z","response":" sky","done":false}
{"model":"llama3.2","created_at":"2023-08-04T19:22:45.499127Z","response":"","done":true,"context":[1,2,3],"prompt_eval_count":26,"eval_count":2}
""")
CACHED = lines('{"model":"llama3.2","response":"Hi","done":true,"eval_count":2}')
EMBED = plain('{"model":"all-minilm","embeddings":[[0.01,-0.001]],"total_duration":14143917,"prompt_eval_count":8}')
ERROR = lines('{"error":"an error was encountered while running the model"}')

CASES = {
    "plain": (PLAIN, reported(26, 298)),
    "chat": (CHAT, reported(26, 4)),
    "chat, left by the client": (CHAT.left(3), estimated(20, 3)),
    "chat, cut by the server": (CHAT.cut(2), estimated(20, 2)),
    "chat, that just ends": (CHAT._replace(pieces=CHAT.pieces[:3]), estimated(20, 3)),
    "chat, an error in the middle": (CHAT.then(2, ERROR), estimated(20, 2)),
    "generate": (GENERATE, reported(26, 2)),
    "generate, left by the client": (GENERATE.left(2), estimated(20, 2)),
    "a prompt all in its cache": (CACHED, estimated(20, 2)),
    "embeddings": (EMBED, reported(8, 0)),
}


@pytest.mark.parametrize(("answer", "usage"), CASES.values(), ids=CASES.keys())
def test_ollama(meter: Meter, answer: Answer, usage: Usage) -> None:
    assert meter.usage(answer) == usage

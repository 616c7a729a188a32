"""An answer may flow for as long as it flows; one that stands still is ended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.e2e.deployment import MODEL, Credential, Deployment
from tests.e2e.envoys import another_envoy
from tests.formats.wire import Answer, End, Upstream, running
from tests.web import WEB

IDLE_SECONDS, GAP_SECONDS, EVENTS = 1.5, 0.25, 14
CHUNK = {"id": "c1", "object": "chat.completion.chunk"}
EVENT = f"data: {json.dumps({**CHUNK, 'choices': [{'index': 0, 'delta': {'content': ' and'}}]})}\n\n".encode()
USAGE = {"prompt_tokens": 9, "completion_tokens": EVENTS}
END = f"data: {json.dumps({**CHUNK, 'choices': [], 'usage': USAGE})}\n\ndata: [DONE]\n\n".encode()


class Place(NamedTuple):
    upstream: Upstream
    url: str

    def received(self, who: Credential, answer: Answer) -> bytes:
        """As far as it came."""
        headers = {**who.headers, "x-answer": str(self.upstream.add(answer))}
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100, "stream": True}
        received = bytearray()
        try:
            with WEB.stream("POST", f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=30) as got:
                for chunk in got.iter_raw():
                    received += chunk
        except httpx.RemoteProtocolError:
            return bytes(received) + b"(cut)"
        return bytes(received)


@pytest.fixture(scope="module")
def place(stack: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    upstream, directory = Upstream(), Path(tmp_path_factory.mktemp("flowing"))
    with (
        running(upstream) as model,
        another_envoy(stack, directory, model, idle_timeout_seconds=IDLE_SECONDS) as url,
    ):
        yield Place(upstream, url)


def test_a_stream_that_sends_now_and_then_is_not_ended(stack: Deployment, place: Place) -> None:
    assert EVENTS * GAP_SECONDS > 2 * IDLE_SECONDS
    who, pieces = stack.tenant(), (*[EVENT] * EVENTS, END)
    assert place.received(who, Answer(pieces, pause=GAP_SECONDS)) == b"".join(pieces)
    (row,) = stack.usage_when(who, 1)
    assert (row["usage_source"], row["output_tokens"], row["aborted"]) == ("reported", EVENTS, False)
    assert row["total_ms"] > 2 * IDLE_SECONDS * 1000


def test_a_stream_that_stands_still_is_ended_and_charged_what_was_seen(stack: Deployment, place: Place) -> None:
    who = stack.tenant()
    assert place.received(who, Answer((EVENT,) * 5, end=End.STALLED)) == EVENT * 5 + b"(cut)"
    (row,) = stack.usage_when(who, 1)
    assert (row["usage_source"], row["output_tokens"], row["aborted"]) == ("estimated", 5, True)
    assert row["total_ms"] >= IDLE_SECONDS * 1000

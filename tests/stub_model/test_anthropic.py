"""The stub model as Anthropic's client sees it: what a cache reads and writes is counted beside the input."""

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic, BadRequestError

from stub_model import StubOptions, running

HELLO: Any = [{"role": "user", "content": [{"type": "text", "text": "Hello, world!"}]}]  # 4 tokens
CACHE = {"x-stub-cached-tokens": "2", "x-stub-cache-creation-tokens": "1"}


@pytest.fixture(scope="module")
def client() -> Iterator[Anthropic]:
    with running(StubOptions(tokens=6)) as url, Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def test_messages(client: Anthropic) -> None:
    answer = client.messages.create(model="mock-model", max_tokens=3, messages=HELLO, system="Be brief.")
    assert getattr(answer.content[0], "text", None) == "the quick brown"
    assert answer.stop_reason == "max_tokens"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 3)


def test_cached_tokens_are_beside_the_input(client: Anthropic) -> None:
    usage = client.messages.create(model="mock-model", max_tokens=9, messages=HELLO, extra_headers=CACHE).usage
    counted = (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    assert counted == (1, 2, 1)


def test_messages_stream(client: Anthropic) -> None:
    with client.messages.stream(model="mock-model", max_tokens=9, messages=HELLO, extra_headers=CACHE) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "the quick brown fox jumps over"
    assert final.stop_reason == "end_turn"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (1, 6)
    assert final.usage.cache_read_input_tokens == 2


def test_an_error_has_anthropics_shape(client: Anthropic) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.messages.create(model="mock-model", max_tokens=0, messages=HELLO)
    assert refused.value.body == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "max_tokens must be an integer of at least 1"},
    }

"""The stub model as OpenAI's client sees it, and its usage to the token."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from stub_model import StubOptions, running

MODEL = "mock-model"
HELLO: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello, world!"}]  # 3 + 4 tokens


@pytest.fixture(scope="module")
def client() -> Iterator[OpenAI]:
    with running(StubOptions(tokens=6)) as url, OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def told(**headers: int) -> dict[str, str]:
    return {f"x-stub-{name.replace('_', '-')}": str(value) for name, value in headers.items()}


def test_chat(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert answer.choices[0].message.content == "the quick brown fox jumps over"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (7, 6, 13)


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_chat_ends_at_the_maximum(client: OpenAI, limit: str) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, extra_body={limit: 2})
    assert answer.choices[0].message.content == "the quick"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


def test_reasoning_counts_and_comes_out_of_the_maximum_first(client: OpenAI) -> None:
    headers = told(reasoning_tokens=3, cached_tokens=5)
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4, extra_headers=headers)
    assert answer.choices[0].message.content == "the"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 3
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 5


def test_every_choice_counts(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, n=3)
    assert len(answer.choices) == 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 18


def test_usage_can_be_left_out(client: OpenAI) -> None:
    assert client.chat.completions.create(model=MODEL, messages=HELLO, extra_headers=told(no_usage=1)).usage is None


@pytest.mark.parametrize("asked", [True, False])
def test_chat_stream_has_usage_only_when_asked(client: OpenAI, asked: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, **options))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "the quick brown fox jumps over"
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == ([6] if asked else [])
    assert [bool(chunk.choices) for chunk in chunks[-1:]] == [not asked]


def test_completions(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=["one two", "three"], max_tokens=2, n=2)
    assert [choice.text for choice in answer.choices] == ["the quick"] * 4
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 8)
    chunks = list(client.completions.create(model=MODEL, prompt="x", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "the quick brown fox jumps over"


def test_embeddings(client: OpenAI) -> None:
    answer = client.embeddings.create(model=MODEL, input=["a b", "c"], dimensions=4)
    assert [len(item.embedding) for item in answer.data] == [4, 4]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3
    floats = client.embeddings.create(model=MODEL, input=["a b", "c"], dimensions=4, encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(answer.data[0].embedding)
    assert client.embeddings.create(model=MODEL, input=[[1, 2], [3]]).usage.prompt_tokens == 3


def test_responses(client: OpenAI) -> None:
    headers = told(reasoning_tokens=2, cached_tokens=1)
    answer = client.responses.create(model=MODEL, input="one two", instructions="Be brief.", extra_headers=headers)
    assert answer.output_text == "the quick brown fox jumps over"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 8)
    assert answer.usage.input_tokens_details.cached_tokens == 1
    assert answer.usage.output_tokens_details.reasoning_tokens == 2


def test_responses_stream(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="one two") as stream:
        final = stream.get_final_response()
    assert final.output_text == "the quick brown fox jumps over"
    assert final.usage is not None
    assert final.usage.total_tokens == 8


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    with pytest.raises(NotFoundError, match="does not exist"):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert client.chat.completions.create(model="mock-model-large", messages=HELLO).model == "mock-model-large"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages is required"),
    ({"max_tokens": 0}, "max_tokens must be an integer of at least 1"),
    ({"max_tokens": True}, "max_tokens must be an integer"),
    ({"max_completion_tokens": "5"}, "max_completion_tokens must be an integer"),
    ({"n": -1}, "n must be an integer"),
    ({"stream": "yes"}, "stream must be true or false"),
    ({"stream_options": {}}, "only allowed when stream is true"),
    ({"stream": True, "stream_options": "x"}, "stream_options must be an object"),
    ({"model": None}, "you must provide a model"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_bad_request_is_explained(client: OpenAI, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        client.chat.completions.create(model=MODEL, messages=HELLO, extra_body=change)

"""A real model server behind the whole chain: the ledger says what llama.cpp reported, by whichever API."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import anthropic
import openai
import pytest

from tests import llama
from tests.e2e.deployment import Credential, Deployment
from tests.e2e.envoys import another_envoy
from tests.web import WEB

MESSAGES: list[Any] = [{"role": "user", "content": "Hello there, the sun and the sea"}]
PROMPT = "Hello there, the sun and the sea"


class Used(NamedTuple):
    """Tokens, as the server or the ledger has them; what is cached is a part of the input."""

    input: int
    output: int
    cached: int


@pytest.fixture(scope="module")
def envoy(stack: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("llama")
    with llama.running(directory) as upstream, another_envoy(stack, directory, upstream) as url:
        yield url


def booked(stack: Deployment, who: Credential) -> Used:
    """The tenant's one row, which must be the server's own report."""
    (row,) = stack.usage_when(who, 1)
    assert row["usage_source"] == "reported"
    return Used(row["input_tokens"], row["output_tokens"], row["cached_tokens"])


def chat(client: openai.OpenAI, stream: bool) -> Used:
    completions = client.chat.completions
    if stream:
        *_, last = completions.create(model=llama.MODEL, messages=MESSAGES, max_tokens=20, stream=True)
        usage = last.usage
    else:
        usage = completions.create(model=llama.MODEL, messages=MESSAGES, max_tokens=20).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return Used(usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens or 0)


def completion(client: openai.OpenAI, stream: bool) -> Used:
    if stream:
        *_, last = client.completions.create(model=llama.MODEL, prompt=PROMPT, max_tokens=20, stream=True)
        usage = last.usage
    else:
        usage = client.completions.create(model=llama.MODEL, prompt=PROMPT, max_tokens=20).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return Used(usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens or 0)


def responses(client: openai.OpenAI, stream: bool) -> Used:
    if stream:
        *_, last = client.responses.create(model=llama.MODEL, input=PROMPT, max_output_tokens=20, stream=True)
        assert last.type == "response.completed"
        usage = last.response.usage
    else:
        usage = client.responses.create(model=llama.MODEL, input=PROMPT, max_output_tokens=20).usage
    assert usage is not None
    return Used(usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("ask", [chat, completion, responses])
def test_what_openai_clients_ask(
    stack: Deployment, envoy: str, ask: Callable[[openai.OpenAI, bool], Used], stream: bool
) -> None:
    who = stack.tenant()
    with openai.OpenAI(base_url=f"{envoy}/v1", api_key=who.secret, max_retries=0) as client:
        reported = ask(client, stream)
    assert reported.input > 10
    assert booked(stack, who) == reported


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_what_anthropic_clients_ask(stack: Deployment, envoy: str, stream: bool) -> None:
    """llama.cpp too counts what it reads from its cache beside the input."""
    who = stack.tenant()
    with anthropic.Anthropic(base_url=envoy, api_key=who.secret, max_retries=0) as client:
        if stream:
            with client.messages.stream(model=llama.MODEL, messages=MESSAGES, max_tokens=20) as events:
                usage = events.get_final_message().usage
        else:
            usage = client.messages.create(model=llama.MODEL, messages=MESSAGES, max_tokens=20).usage
    cached = usage.cache_read_input_tokens or 0
    assert booked(stack, who) == Used(usage.input_tokens + cached, usage.output_tokens, cached)


def test_counting_tokens_costs_nothing(stack: Deployment, envoy: str) -> None:
    who = stack.tenant(tokens_per_minute=1)
    with anthropic.Anthropic(base_url=envoy, api_key=who.secret, max_retries=0) as client:
        assert client.messages.count_tokens(model=llama.MODEL, messages=MESSAGES).input_tokens > 10
    (row,) = stack.usage_when(who, 1)
    assert (row["usage_source"], row["input_tokens"], row["output_tokens"]) == ("none", 0, 0)


NATIVE: dict[str, tuple[str, Mapping[str, object]]] = {
    "completion": ("/completion", {"prompt": PROMPT, "n_predict": 20}),
    "several prompts": ("/completion", {"prompt": [PROMPT, "the moon"], "n_predict": 20}),
    "infill": ("/infill", {"input_prefix": "the sun", "input_suffix": "the sea", "n_predict": 20}),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("path", "body"), NATIVE.values(), ids=NATIVE.keys())
def test_its_own_api(stack: Deployment, envoy: str, path: str, body: Mapping[str, object], stream: bool) -> None:
    who = stack.tenant()
    answer = WEB.post(envoy + path, json={**body, "stream": stream}, headers=who.headers, timeout=30)
    assert answer.status_code == 200, answer.text
    documents = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if len(line) > 1]
    results = [each for one in documents if one for each in (one if isinstance(one, list) else [one]) if each["stop"]]
    assert len(results) == (2 if isinstance(body.get("prompt"), list) else 1)
    cached = sum(each["timings"]["cache_n"] for each in results)
    reported = [(each["tokens_evaluated"], each["tokens_predicted"]) for each in results]
    assert booked(stack, who) == Used(sum(i for i, _ in reported), sum(o for _, o in reported), cached)


def test_each_choice_of_a_stream_is_booked(stack: Deployment, envoy: str) -> None:
    """llama.cpp reports each by itself, and the prompt that they share with each."""
    who = stack.tenant()
    with openai.OpenAI(base_url=f"{envoy}/v1", api_key=who.secret, max_retries=0) as client:
        events = client.chat.completions.create(model=llama.MODEL, messages=MESSAGES, max_tokens=20, n=3, stream=True)
        usages = [event.usage for event in events if event.usage is not None]
    assert len(usages) == 3
    used = booked(stack, who)
    assert (used.input, used.output) == (usages[0].prompt_tokens, sum(usage.completion_tokens for usage in usages))


def test_choices_that_it_does_not_report_are_estimated(stack: Deployment, envoy: str) -> None:
    """The usage of a plain answer is its first choice's; the others are taken to be as long, which here they are."""
    who = stack.tenant()
    body = {"model": llama.MODEL, "messages": MESSAGES, "max_tokens": 100, "n": 4, "ignore_eos": True}
    answer = WEB.post(f"{envoy}/v1/chat/completions", json=body, headers=who.headers, timeout=30).json()
    assert (len(answer["choices"]), answer["usage"]["completion_tokens"]) == (4, 100)
    (row,) = stack.usage_when(who, 1)
    assert (row["usage_source"], row["output_tokens"]) == ("estimated", 400)
    assert row["input_tokens"] >= answer["usage"]["prompt_tokens"]


def test_a_client_that_leaves(stack: Deployment, envoy: str) -> None:
    who = stack.tenant()
    body = {"prompt": PROMPT, "n_predict": 900, "ignore_eos": True, "stream": True}
    with WEB.stream("POST", f"{envoy}/completion", json=body, headers=who.headers, timeout=30) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        seen = [json.loads(next(lines)[6:])["tokens_predicted"] for _ in range(5)]
    (row,) = stack.usage_when(who, 1)
    assert (row["aborted"], row["streamed"]) == (True, True)
    assert max(seen) <= row["output_tokens"] <= 900


def test_what_the_server_refuses_costs_nothing(stack: Deployment, envoy: str) -> None:
    """A prompt beyond its context."""
    who = stack.tenant()
    body = {"model": llama.MODEL, "prompt": "sun " * 2000, "max_tokens": 20}
    answer = WEB.post(f"{envoy}/v1/completions", json=body, headers=who.headers, timeout=30)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "exceed_context_size_error")
    (row,) = stack.usage_when(who, 1)
    assert (row["usage_source"], row["input_tokens"], row["output_tokens"]) == ("none", 0, 0)

"""The ledger's tokens are the model server's, the budget is what was used, and identity cannot be claimed."""

import asyncio
import json
import socket
import time
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.wire import body_of, request
from tests.web import NO_TLS, WEB

MESSAGES: list[Any] = [{"role": "user", "content": "Count the tokens of this, please"}]


def client(stack: Deployment, who: Credential, **headers: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"http://{stack.envoy_address}/v1", api_key=who.secret, max_retries=0, default_headers=headers
    )


def only_row(stack: Deployment, who: Credential) -> dict[str, Any]:
    (row,) = stack.usage_when(who, 1)
    return row


def spent(stack: Deployment, who: Credential) -> int:
    """What the budget of a million lacks, as ratelimit keeps it."""
    with stack.redis() as redis:
        (key,) = redis.scan_iter(f"tollkeeper:budget:{{{who.tenant_id}}}:*tokens*")
        return 1_000_000 - int(redis.hget(key, "level") or 0)


def test_chat(stack: Deployment) -> None:
    who = stack.tenant()
    with client(stack, who) as openai_client:
        answer = openai_client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=12)
    assert answer.usage is not None
    row = only_row(stack, who)
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert (row["usage_source"], row["model"], row["streamed"], row["aborted"]) == ("reported", MODEL, False, False)
    assert row["reserved_tokens"] >= 12
    assert (row["key_id"], row["tenant_id"]) == (who.key_id, who.tenant_id)


def test_cached_and_reasoning_tokens(stack: Deployment) -> None:
    who = stack.tenant()
    headers = {"x-stub-cached-tokens": "3", "x-stub-reasoning-tokens": "5"}
    with client(stack, who, **headers) as openai_client:
        openai_client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=20)
    row = only_row(stack, who)
    assert (row["cached_tokens"], row["reasoning_tokens"]) == (3, 5)


@pytest.mark.parametrize("asked", [True, False])
def test_streamed_chat(stack: Deployment, asked: bool) -> None:
    who = stack.tenant()
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    with client(stack, who) as openai_client:
        stream = openai_client.chat.completions.create(
            model=MODEL, messages=MESSAGES, max_tokens=12, stream=True, **options
        )
        chunks = list(stream)
    usage = next(chunk.usage for chunk in chunks if chunk.usage is not None)
    row = only_row(stack, who)
    assert (row["input_tokens"], row["output_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
    assert (row["usage_source"], row["streamed"]) == ("reported", True)
    assert row["ttft_ms"] is not None


def test_completions_and_embeddings(stack: Deployment) -> None:
    who = stack.tenant()
    with client(stack, who) as openai_client:
        completion = openai_client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=6)
        embedding = openai_client.embeddings.create(model=MODEL, input=["one two three", "four"])
    rows = stack.usage_when(who, 2)
    assert completion.usage is not None
    assert [row["input_tokens"] for row in rows] == [completion.usage.prompt_tokens, embedding.usage.prompt_tokens]
    assert [row["output_tokens"] for row in rows] == [completion.usage.completion_tokens, 0]


@pytest.mark.parametrize("stream", [False, True])
def test_responses(stack: Deployment, stream: bool) -> None:
    who = stack.tenant()
    with client(stack, who) as openai_client:
        if stream:
            events = list(openai_client.responses.create(model=MODEL, input="Hello there", stream=True))
            usage = next(event.response.usage for event in events if event.type == "response.completed")
        else:
            usage = openai_client.responses.create(model=MODEL, input="Hello there").usage
    assert usage is not None
    row = only_row(stack, who)
    assert (row["input_tokens"], row["output_tokens"]) == (usage.input_tokens, usage.output_tokens)
    assert row["usage_source"] == "reported"


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_messages(stack: Deployment, stream: bool) -> None:
    who = stack.tenant()
    headers = {"x-stub-cached-tokens": "2", "x-stub-cache-creation-tokens": "1"}
    with anthropic.Anthropic(
        base_url=f"http://{stack.envoy_address}", api_key=who.secret, max_retries=0, default_headers=headers
    ) as anthropic_client:
        if stream:
            with anthropic_client.messages.stream(model=MODEL, messages=MESSAGES, max_tokens=9) as events:
                usage = events.get_final_message().usage
        else:
            usage = anthropic_client.messages.create(model=MODEL, messages=MESSAGES, max_tokens=9).usage
    row = only_row(stack, who)
    read, made = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    assert (row["input_tokens"], row["output_tokens"]) == (usage.input_tokens + read + made, usage.output_tokens)
    assert (row["cached_tokens"], row["usage_source"]) == (2, "reported")


def test_the_budget_is_charged_what_was_used(stack: Deployment) -> None:
    who = stack.tenant(tokens_per_minute=1_000_000)
    for _ in range(3):
        assert stack.chat(who, max_tokens=5000).status_code == 200
    rows = stack.usage_when(who, 3)
    used = sum(row["input_tokens"] + row["output_tokens"] for row in rows)
    assert 0 < used < 5000
    # A million a minute refills 17 a millisecond, so settled means: nothing of the 15,000 reserved is missing any more.
    assert wait_for(lambda: True if spent(stack, who) <= used else None, "the settlement")


def test_what_is_not_settled_stays_reserved(stack: Deployment) -> None:
    who = stack.tenant(tokens_per_minute=60)
    assert stack.chat(who, max_tokens=8, headers={"x-stub-tokens": "8"}).status_code == 200
    (row,) = stack.usage_when(who, 1)
    used = row["input_tokens"] + row["output_tokens"]
    assert row["reserved_tokens"] > used

    def level() -> int:
        with stack.redis() as redis:
            (key,) = redis.scan_iter(f"tollkeeper:budget:{{{who.tenant_id}}}:*tokens*")
            return int(redis.hget(key, "level") or 0)

    # One token a second comes back, so right after settling the level is the capacity less what was used.
    settled = wait_for(lambda: found if (found := level()) >= 60 - row["reserved_tokens"] + 3 else None, "settling")
    assert 60 - used <= settled <= 60 - used + 5


def test_an_upstream_error_costs_nothing(stack: Deployment) -> None:
    who = stack.tenant()
    assert stack.chat(who, headers={"x-stub-status": "500"}).status_code == 500
    row = only_row(stack, who)
    assert (row["usage_source"], row["input_tokens"], row["output_tokens"]) == ("none", 0, 0)


def test_an_answer_without_usage_is_estimated(stack: Deployment) -> None:
    who = stack.tenant()
    assert stack.chat(who, headers={"x-stub-no-usage": "1"}).status_code == 200
    row = only_row(stack, who)
    assert row["usage_source"] == "estimated"
    assert row["input_tokens"] > 0
    assert 0 < row["output_tokens"] <= 32


def test_a_client_that_leaves_mid_stream_is_charged(stack: Deployment) -> None:
    who = stack.tenant()
    raw = request(body=body_of(stream=True, max_tokens=400), headers=(("x-stub-tokens-per-second", "20"),
                  ("x-stub-tokens", "400"), ("Content-Type", "application/json")))  # fmt: skip
    with socket.create_connection(stack.envoy_host_port, 10) as connection:
        connection.sendall(raw.replace(b"{credential}", f"Authorization: Bearer {who.secret}".encode()))
        assert b"data:" in connection.recv(65536) + connection.recv(65536)
        time.sleep(0.5)
    row = only_row(stack, who)
    assert (row["usage_source"], row["aborted"], row["streamed"]) == ("estimated", True, True)
    assert 0 < row["output_tokens"] < 400


def test_identity_reaches_the_upstream_and_cannot_be_claimed(stack: Deployment) -> None:
    who = stack.tenant()
    claimed = {
        "x-tenant-id": "someone-else", "x-key-id": "k", "x-fairshare-group": "vip", "x_tenant_id": "someone-else",
        "x-end-user-id": "root", "x-user-id": "alice", "x-case": who.tenant_id, "x-api-key": who.secret,
        "api-key": who.secret,
    }  # fmt: skip
    assert stack.chat(who, headers=claimed).status_code == 200
    (seen,) = [seen for seen in stack.seen_upstream() if who.tenant_id in str(seen["headers"])]
    headers = {name.lower(): value for name, value in dict(seen["headers"]).items()}
    assert headers["x-tenant-id"] == who.tenant_id
    assert headers["x-key-id"] == who.key_id
    assert headers["x-fairshare-group"] == "default"
    assert headers["x-end-user-id"] == "alice"
    assert not {"authorization", "x-api-key", "api-key", "x-user-id", "x_tenant_id"} & set(headers)
    assert who.secret not in json.dumps(seen)
    assert only_row(stack, who)["end_user_id"] == "alice"


@pytest.mark.parametrize(
    ("name", "value"),
    [("authorization", "Bearer {}"), ("authorization", "bearer {}"), ("authorization", "APIKEY {}"),
     ("x-api-key", "{}"), ("api-key", "{}")],
)  # fmt: skip
def test_every_documented_credential_header_works(stack: Deployment, name: str, value: str) -> None:
    who = stack.tenant()
    answer = stack.envoy.get("/v1/models", headers={name: value.format(who.secret)})
    assert answer.status_code == 200


def test_fifty_at_once_on_a_budget_for_five_admit_five(stack: Deployment) -> None:
    who = stack.tenant(tokens_per_minute=None, requests_per_minute=5)

    async def burst() -> list[int]:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(
            verify=NO_TLS, base_url=f"http://{stack.envoy_address}", limits=limits, timeout=30
        ) as many:
            body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 4}
            posts = (many.post("/v1/chat/completions", json=body, headers=who.headers) for _ in range(50))
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    statuses = asyncio.run(burst())
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 5

    def counted() -> int:
        return sum(row["requests"] for row in stack.usage(who))  # refusals share rows

    wait_for(lambda: counted() >= 50 or None, "50 requests in the ledger")
    assert counted() == 50


def test_a_refusal_says_which_limit_and_when(stack: Deployment) -> None:
    who = stack.tenant(tokens_per_minute=100)
    assert stack.chat(who, max_tokens=60, headers={"x-stub-tokens": "60"}).status_code == 200
    with client(stack, who) as openai_client, pytest.raises(openai.RateLimitError) as raised:
        openai_client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=60)
    headers = raised.value.response.headers
    assert int(headers["retry-after"]) >= 1
    assert headers["x-ratelimit-limit-tokens"] == "100"
    assert 0 <= int(headers["x-ratelimit-remaining-tokens"]) < 100
    assert "x-ratelimit-reset-tokens" in headers
    assert raised.value.code == "rate_limit_exceeded"
    assert "tokens" in raised.value.message


def test_a_model_that_the_key_may_not_use(stack: Deployment) -> None:
    who = stack.tenant(key={"models_allowed": ["another"]})
    answer = stack.chat(who)
    assert answer.status_code == 403
    assert answer.json()["error"]["message"]
    assert only_row(stack, who)["admission"] == "refused"


def test_leases_in_flight_are_shown(stack: Deployment) -> None:
    who = stack.tenant()
    name = 'tollkeeper_ratelimit_leases_in_flight{process="ratelimit"}'

    def in_flight() -> float:
        return next(float(line.split()[-1]) for line in stack.metrics().splitlines() if line.startswith(name))

    wait_for(lambda: True if in_flight() == 0 else None, "nothing in flight")
    with WEB.stream(
        "POST",
        f"http://{stack.envoy_address}/v1/chat/completions",
        json={"model": MODEL, "messages": MESSAGES, "max_tokens": 40, "stream": True},
        headers={**who.headers, "x-stub-tokens": "40", "x-stub-tokens-per-second": "40"},
    ) as answer:
        assert answer.status_code == 200
        assert in_flight() == 1
    wait_for(lambda: True if in_flight() == 0 else None, "nothing in flight")

"""One stack with models whose answers are kept: the stub's, and one that sends what a test gives it."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.formats.wire import Answer, Upstream, running
from tests.web import WEB

MODEL, BY_USER, SHARED, ALL, HALF, OTHER, OFF, LITERAL = (
    f"mock-model-{name}" for name in ("kept", "user", "shared", "all", "half", "other", "off", "literal")
)
CACHES: Mapping[str, dict[str, Any]] = {
    MODEL: {},
    OTHER: {},
    BY_USER: {"scope": "user"},
    SHARED: {"scope": "all"},
    ALL: {"requests": "all", "max_bytes": 2000},
    HALF: {"charge_percent": 50},
    LITERAL: {"requests": "all"},
}
SAYS = "x-tollkeeper-cache"
# What is said of one answer alone.
OF_ONE = {SAYS, "age", "date", "x-request-id", "x-admission", "x-queue-ms"}
_numbers = itertools.count()


def unique() -> str:
    """A prompt that nobody has had."""
    return f"What is {next(_numbers)}?"


def body(prompt: str, **fields: Any) -> dict[str, Any]:
    chat = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": 32}
    return {name: each for name, each in {**chat, **fields}.items() if each is not None}


class Place(Deployment):
    upstream: Upstream

    def register(self, name: str, cache: dict[str, Any] | None, **fields: Any) -> str:
        answer = self.admin.post("/models", json={"name": name, "input_price": "1", "output_price": "2", **fields})
        assert answer.status_code == 201, answer.text
        model_id = str(answer.json()["id"])
        if cache is not None:
            self.cache(model_id, enabled=True, **cache)
        return model_id

    def cache(self, model_id: str, **fields: Any) -> httpx.Response:
        answer = self.admin.put(f"/models/{model_id}/cache", json=fields)
        assert answer.status_code == 200, answer.text
        return answer

    def ask(
        self, who: Credential, prompt: str, path: str = "/v1/chat/completions", headers: Any = None, **fields: Any
    ) -> httpx.Response:
        return self.envoy.post(path, json=body(prompt, **fields), headers={**who.headers, **(headers or {})})

    def raw(
        self, who: Credential, content: str, path: str = "/v1/chat/completions", **headers: str | Sequence[str]
    ) -> str:
        """How the cache took it.  A header may be there several times."""
        sent = [("content-type", "application/json"), *who.headers.items()]
        for name, texts in headers.items():
            sent += [(name.replace("_", "-"), text) for text in ([texts] if isinstance(texts, str) else texts)]
        answer = self.envoy.post(path, content=content, headers=sent)
        assert answer.status_code == 200, answer.text
        return answer.headers[SAYS]

    def until_hit(self, who: Credential, prompt: str, **given: Any) -> httpx.Response:
        """An answer is kept some milliseconds after it was given."""

        def hit() -> httpx.Response | None:
            answer = self.ask(who, prompt, **given)
            return answer if answer.headers.get(SAYS) == "hit" else None

        return wait_for(hit, "an answer from the cache")

    def until_kept(self, before: int) -> None:
        """Until one more answer than `before` was kept."""
        wait_for(lambda: self.kept > before or None, "an answer is kept")

    @property
    def kept(self) -> int:
        return self.counted('answers_total{outcome="kept"')

    def counted(self, name: str) -> int:
        lines = [line for line in self.metrics().splitlines() if line.startswith(f"tollkeeper_response_cache_{name}")]
        return int(sum(float(line.rpartition(" ")[2]) for line in lines))

    def answer(self, who: Credential, answer: Answer, number: int | None = None) -> tuple[int, httpx.Response]:
        """From the model that sends what it is told; the same number is the same request."""
        number = self.upstream.add(answer) if number is None else number
        headers = {"x-answer": str(number)}
        return number, self.ask(who, "the same", headers=headers, model=LITERAL, stream=True)

    def came(self, prompt: str) -> int:
        """How often the model server was asked that."""
        found: list[dict[str, Any]] = WEB.get(f"{self.stub_url}/stub/requests").json()
        return sum(prompt in json.dumps(each["body"]) for each in found)


@pytest.fixture(scope="package")
def place() -> Iterator[Place]:
    upstream = Upstream()
    with public_directory() as directory, running(upstream) as url:
        place = Place(directory / "stack")
        try:
            place.upstream = upstream
            for name, cache in CACHES.items():
                place.register(name, cache, **({"endpoint": url} if name == LITERAL else {}))
            place.register(OFF, None)
            who = place.tenant()
            place.until_hit(who, "warm")
            wait_for(lambda: place.answer(who, READY)[1].status_code == 200 or None, "the other model server")
            yield place
        finally:
            place.close()


READY = Answer((b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}',), "application/json")

"""Endpoints of models as real servers are: they die, come back and move, speak TLS, are slow or ill; and what is said
of a change that Envoy refuses, wherever it was made."""

import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
import trustme
import uvicorn

from serving.tls_files import CA, CHAIN, KEY
from stub_model import StubOptions, create_app, running
from tests.cli.conftest import Command
from tests.console.conftest import Visitor, text_of
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.serving.certificates import issue
from tests.web import NO_TLS, WEB
from tollkeeper.up.process import free_port
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

ANY = StubOptions(models=("",), recorded=100_000)
MESSAGES: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def models(stack: Deployment) -> Iterator["Models"]:
    made = Models(stack)
    yield made
    made.delete()


class Models:
    """Those of one test, which are not there for the next."""

    def __init__(self, stack: Deployment) -> None:
        self.stack, self.ids = stack, dict[str, str]()

    def register(self, name: str, **fields: Any) -> None:
        answer = self.stack.admin.post("/models", json={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        self.ids[name] = answer.json()["id"]

    def change(self, name: str, **fields: Any) -> None:
        answer = self.stack.admin.put(f"/models/{self.ids[name]}", json={"name": name, **fields})
        assert answer.status_code == 200, answer.text

    def live(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.stack.admin.get(f"/models/{self.ids[name]}").json()["live"]
        return found

    def until(self, status: int, who: Credential, model: str, **options: Any) -> httpx.Response:
        def answered() -> httpx.Response | None:
            answer = self.stack.chat(who, model=model, **options)
            return answer if answer.status_code == status else None

        return wait_for(answered, f"{status} of {model}")

    def delete(self) -> None:
        for each in reversed(self.ids.values()):  # aliases before what they stand for
            self.stack.admin.delete(f"/models/{each}").raise_for_status()


def came(url: str) -> list[dict[str, Any]]:
    return [each for each in WEB.get(f"{url}/stub/requests").json() if each["method"] == "POST"]


class Callers:
    """One of each client library, plain and streamed, until it is left.  They try again as they do by default."""

    def __init__(self, stack: Deployment, who: Credential, model: str) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[Exception] = []
        url = f"http://{stack.envoy_address}"
        self._openai = openai.OpenAI(base_url=f"{url}/v1", api_key=who.secret)
        self._anthropic = anthropic.Anthropic(base_url=url, api_key=who.secret)
        self._model, self._stopping = model, threading.Event()
        asks = (self.plain, self.streamed, self.message, self.message_streamed)
        self._threads = [threading.Thread(target=self._run, args=(ask,), daemon=True) for ask in asks]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, ask: Any) -> None:
        while not self._stopping.wait(0.05):
            try:
                self.answers[ask()] += 1
            except (openai.OpenAIError, anthropic.AnthropicError) as error:
                self.failures.append(error)

    def plain(self) -> str:
        return self._openai.chat.completions.create(model=self._model, messages=MESSAGES, max_tokens=8).model

    def streamed(self) -> str:
        made = self._openai.chat.completions.create(model=self._model, messages=MESSAGES, max_tokens=8, stream=True)
        *_, last = made
        return last.model

    def message(self) -> str:
        return self._anthropic.messages.create(model=self._model, messages=MESSAGES, max_tokens=8).model

    def message_streamed(self) -> str:
        with self._anthropic.messages.stream(model=self._model, messages=MESSAGES, max_tokens=8) as stream:
            return stream.get_final_message().model


@pytest.mark.timeout(180)
def test_clients_are_served_while_endpoints_die_come_back_and_change(stack: Deployment, models: Models) -> None:
    who, port = stack.tenant(), free_port()
    mortal = f"http://127.0.0.1:{port}"
    with ExitStack() as stays, ExitStack() as dies:
        second, small, moved = (stays.enter_context(running(ANY)) for _ in range(3))
        dies.enter_context(running(ANY, port=port))
        pair = [{"url": mortal}, {"url": second, "priority": 1}]
        models.register("two-big", endpoints=pair, upstream_name="big-there")
        models.register("two-small", endpoint=small, upstream_name="small-there")
        models.register("two-fast", targets=[{"model": "two-big"}, {"model": "two-small"}])
        for name in ("two-big", "two-small"):
            models.until(200, who, name)
        alone = len(came(mortal)) + len(came(small))
        with Callers(stack, who, "two-fast") as callers:

            def reach(url: str) -> None:
                seen = len(came(url))
                wait_for(lambda: len(came(url)) > seen + 4 or None, f"requests at {url}", 40)

            reach(mortal)
            dies.close()
            reach(second)
            stays.enter_context(running(ANY, port=port))
            reach(mortal)
            models.change("two-big", endpoint=moved, upstream_name="big-moved")
            reach(moved)
            reach(small)
        assert callers.failures == []
        assert set(callers.answers) == {"big-there", "small-there", "big-moved"}
        for url, name in ((mortal, "big-there"), (second, "big-there"), (small, "small-there"), (moved, "big-moved")):
            assert {name in each["body"] for each in came(url)} == {True}, url
            assert {each["headers"].get("x-tenant-id") for each in came(url)} == {who.tenant_id}

        def ran() -> list[dict[str, Any]]:
            return [row for row in stack.usage(who) if row["status"] == 200]

        answered = sum(callers.answers.values()) + alone
        rows = wait_for(lambda: found if len(found := ran()) >= answered else None, "a row for each answer")
        assert len(rows) == answered
        assert {row["alias"] for row in rows[alone:]} == {"two-fast"}


def test_an_endpoint_gets_requests_by_its_weight_and_none_while_it_is_ill(stack: Deployment, models: Models) -> None:
    who = stack.tenant()
    with running(ANY) as one, running(ANY) as two, running(StubOptions(failure_rate=1.0, failure_status=503)) as ill:
        models.register("weighed", endpoints=[{"url": one, "weight": 3}, {"url": two}])
        models.until(200, who, "weighed")
        for _ in range(40):
            assert stack.chat(who, model="weighed").status_code == 200
        assert len(came(one)) > len(came(two)) > 0
        wait_for(lambda: models.live("weighed")["tokens_per_second"] or None, "how fast it writes")
        endpoints = [{"url": ill}, {"url": one, "priority": 1}]
        models.register("checked", endpoints=endpoints, health_path="/v1/models", retries=0)
        models.until(200, who, "checked")
        before = len(came(ill))
        assert [stack.chat(who, model="checked").status_code for _ in range(10)] == [200] * 10
        assert len(came(ill)) == before
        wait_for(
            lambda: [each["healthy"] for each in models.live("checked")["endpoints"]] == [False, True] or None, "both"
        )


def test_a_timeout_is_until_an_answer_begins_and_nothing_is_tried_twice(stack: Deployment, models: Models) -> None:
    who = stack.tenant()
    with running(ANY) as one, running(ANY) as two:
        models.register("slow", endpoints=[{"url": one}, {"url": two}], timeout_seconds=2)
        models.until(200, who, "slow")
        before = len(came(one)) + len(came(two))
        assert stack.chat(who, {"x-stub-delay-ms": "4000"}, model="slow").status_code == 504
        assert len(came(one)) + len(came(two)) == before + 1
        pace = {"x-stub-tokens": "2000", "x-stub-tokens-per-second": "20"}
        body = {"model": "slow", "messages": MESSAGES, "max_tokens": 2000, "stream": True}
        with stack.envoy.stream("POST", "/v1/chat/completions", json=body, headers={**who.headers, **pace}) as answer:
            lines = (line for line in answer.iter_lines() if line)
            next(lines)
            wait_for(lambda: models.live("slow")["in_flight"] or None, "the request is seen in flight")
            assert len([next(lines) for _ in range(60)]) == 60  # which takes three seconds


@contextmanager
def over_tls(directory: Path, *names: str) -> Iterator[tuple[int, Path]]:
    """A model server with a certificate for `names`: its port, and the file of who signed that."""
    issue(trustme.CA(), directory, *names)
    files = {"ssl_keyfile": directory / KEY, "ssl_certfile": directory / CHAIN}
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(ANY), port=port, log_level="error", lifespan="off", access_log=False, **files)  # type: ignore[arg-type] # by name
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started or None, "the server")
    try:
        yield port, directory / CA
    finally:
        server.should_exit = True
        thread.join(10)


def test_an_endpoint_with_tls_is_believed_by_its_certificate(stack: Deployment, models: Models, tmp_path: Path) -> None:
    who = stack.tenant()

    def failed(name: str) -> bool | None:
        """Envoy has its cluster, and cannot reach it."""
        assert stack.chat(who, model=name).status_code == 503
        return [each["healthy"] for each in models.live(name)["endpoints"]] == [False] or None

    with over_tls(tmp_path / "one", "127.0.0.1", "localhost") as (port, ca):
        issue(trustme.CA(), tmp_path / "other", "127.0.0.1")
        models.register("by-address", endpoint=f"https://127.0.0.1:{port}/v1", ca_file=str(ca))
        models.register("by-name", endpoint=f"https://localhost:{port}", ca_file=str(ca))
        models.register("unknown", endpoint=f"https://127.0.0.1:{port}", ca_file=str(tmp_path / "other" / CA))
        for name in ("by-address", "by-name"):
            assert models.until(200, who, name).json()["model"] == name
        wait_for(lambda: failed("unknown"), "Envoy does not believe it")
        asked = httpx.get(f"https://127.0.0.1:{port}/stub/requests", verify=ssl.create_default_context(cafile=ca))
        assert {json.loads(each["body"])["model"] for each in asked.json()} == {"by-address", "by-name"}
    with over_tls(tmp_path / "two", "elsewhere.test") as (port, ca):
        models.register("of-another", endpoint=f"https://127.0.0.1:{port}", ca_file=str(ca))
        wait_for(lambda: failed("of-another"), "Envoy does not believe it")


def test_what_envoy_refuses_is_shown_on_the_console_and_the_command_line(stack: Deployment, models: Models) -> None:
    models.register("kept", upstream_name="mock-model-kept")
    bad = {"endpoint": "https://127.0.0.1:9", "ca_file": "/nowhere.pem"}
    says = "Envoy refuses it: Invalid path"
    url = f"http://{stack.admin_address}"
    options = [part for name, text in bad.items() for part in (f"--{name.replace('_', '-')}", text)]
    for verb, name in (("update", "kept"), ("create", "new")):
        ran = Command(url)("model", verb, name, *options, TOLLKEEPER_ADMIN_TOKEN=DEV_ADMIN_TOKEN)
        assert (ran.code != 0, says in ran.err) == (True, True), ran
    with httpx.Client(base_url=url, verify=NO_TLS, timeout=30) as http:
        visitor = Visitor(http)
        assert visitor.sign_in(DEV_ADMIN_TOKEN).status_code == 303
        for page, name in ((f"/console/models/{models.ids['kept']}", "kept"), ("/console/models/new", "new")):
            answer = visitor.send(page, name=name, enabled="true", **bad)
            assert (answer.status_code, says in text_of(answer)) == (409, True), text_of(answer)
        server = {"name": "new", "url": bad["endpoint"], "ca_file": bad["ca_file"]}
        answer = visitor.send("/console/mcp-servers/new", **server)
        assert (answer.status_code, says in text_of(answer)) == (409, True), text_of(answer)
    found = {each["name"]: each for each in stack.admin.get("/models").json()["models"]}
    assert (found["kept"]["endpoint"], "new" in found) == (None, False)
    assert "new" not in [each["name"] for each in stack.admin.get("/mcp-servers").json()["mcp_servers"]]

"""Models that lead somewhere: a whole stack, and model servers beside the default one."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import httpx
import openai
import pytest

from stub_model import StubOptions, running
from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.web import WEB
from tollkeeper.up.process import free_port

SECRET = "sk-of-the-provider-1234567890"
ANY = StubOptions(models=("",))


class Server:
    """A model server that remembers what came."""

    def __init__(self, url: str) -> None:
        self.url = url

    def took(self) -> list[dict[str, Any]]:
        """Since it was last asked."""
        found: list[dict[str, Any]] = WEB.get(f"{self.url}/stub/requests").json()
        WEB.delete(f"{self.url}/stub/requests")
        return found


class Place(Deployment):
    def register(self, name: str, **fields: Any) -> str:
        answer = self.admin.post("/models", json={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def change(self, model_id: str, name: str, **fields: Any) -> None:
        answer = self.admin.put(f"/models/{model_id}", json={"name": name, **fields})
        assert answer.status_code == 200, answer.text

    def until_served(self, who: Credential, model: str) -> httpx.Response:
        def served() -> httpx.Response | None:
            answer = self.chat(who, model=model)
            return answer if answer.status_code == 200 else None

        return wait_for(served, f"{model} is served")


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with public_directory() as directory:
        secrets = directory / "secrets"
        secrets.mkdir()
        (secrets / "provider").write_text(SECRET + "\n")
        place = Place(directory / "stack", settings={"model_credentials_dir": secrets})
        yield place
        place.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [Server(stack.enter_context(running(ANY))) for _ in range(2)]


@pytest.fixture
def servers(pair: list[Server]) -> list[Server]:
    for each in pair:
        each.took()
    return pair


def test_a_model_goes_to_its_endpoint_under_its_name_there(place: Place, servers: list[Server]) -> None:
    one, _ = servers
    who = place.tenant()
    place.register(
        "org/big", endpoint=f"{one.url}/v1", upstream_name='big "70b"', credential="file:provider", input_price="3"
    )
    answer = place.until_served(who, "org/big")
    assert answer.json()["model"] == 'big "70b"'
    (came,) = one.took()
    assert (came["path"], json.loads(came["body"])["model"]) == ("/v1/chat/completions", 'big "70b"')
    assert came["headers"]["authorization"] == f"Bearer {SECRET}"
    assert not [name for name in came["headers"] if "tollkeeper" in name or name.startswith("x-envoy")]
    assert who.secret not in json.dumps(came)

    def ran() -> dict[str, Any] | None:
        return next((row for row in place.usage(who) if row["status"] == 200), None)

    row = wait_for(ran, "its row")
    assert (row["model"], row["usage_source"], row["alias"]) == ("org/big", "reported", "")
    assert row["input_cost"] > 0
    kept = place.settings.model_clusters
    assert kept is not None
    assert SECRET not in kept.read_text()
    assert SECRET not in place.admin.get("/models").text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"endpoint": "http://nowhere.invalid"}, "resolves to nothing"),
        ({"endpoint": "http://127.0.0.1:9", "credential": "file:nobodys"}, "file:nobodys: cannot be read"),
        ({"endpoint": "http://127.0.0.1:9", "credential": "env:TOLLKEEPER_DATABASE_URL"}, "gives no such variable"),
        (
            {"endpoint": "https://127.0.0.1:9", "ca_file": "/nowhere.pem"},
            "Envoy refuses it: Invalid path",
        ),
    ],
)
def test_a_change_that_cannot_be_is_refused_where_it_is_made(place: Place, fields: dict[str, Any], says: str) -> None:
    who, name = place.tenant(), f"kept-{says[-4:].strip('.')}"
    model_id = place.register(name, upstream_name="mock-model-kept")
    place.until_served(who, name)
    for method, path in (("POST", "/models"), ("PUT", f"/models/{model_id}")):
        answer = place.admin.request(method, path, json={"name": name if method == "PUT" else "new", **fields})
        assert answer.status_code == 409, answer.text
        assert says in answer.json()["detail"]
    assert place.admin.get(f"/models/{model_id}").json()["endpoint"] is None
    assert place.chat(who, model=name).status_code == 200


def test_no_client_chooses_where_a_request_goes(place: Place, servers: list[Server]) -> None:
    one, _ = servers
    who = place.tenant()
    place.register("mock-model")
    place.register("chosen", endpoint=one.url)
    place.until_served(who, "chosen")
    cluster = "tollkeeper_authz"
    one.took()
    for name in ("x-tollkeeper-cluster", "x-tollkeeper-endpoint"):
        answer = place.chat(who, headers={name: cluster})
        assert (answer.status_code, answer.json()["model"]) == (200, "mock-model")
    assert one.took() == []
    headers = {"x-tollkeeper-cluster": cluster, "x-tollkeeper-endpoint": "1 /elsewhere", "x-envoy-max-retries": "9"}
    assert place.chat(who, headers=headers, model="chosen").status_code == 200
    (came,) = one.took()
    assert came["path"] == "/v1/chat/completions"
    assert place.chat(who, model="nobody").status_code == 404


def test_an_alias_is_charged_as_the_model_that_ran(place: Place, servers: list[Server]) -> None:
    one, two = servers
    who = place.tenant()
    place.register("large", endpoint=one.url, input_price="10")
    place.register("small", endpoint=two.url, upstream_name="tiny", input_price="1")
    place.register("fast", targets=[{"model": "large", "weight": 1}, {"model": "small", "weight": 1}])
    for model in ("large", "small"):
        place.until_served(who, model)
    client = openai.OpenAI(base_url=f"http://{place.envoy_address}/v1", api_key=who.secret, max_retries=0)
    messages: Any = [{"role": "user", "content": "Hello"}]
    ran = Counter(client.chat.completions.create(model="fast", messages=messages).model for _ in range(30))
    assert set(ran) == {"large", "tiny"}, ran
    rows = wait_for(lambda: found if len(found := [r for r in place.usage(who) if r["alias"]]) == 30 else None, "rows")
    assert {row["alias"] for row in rows} == {"fast"}
    assert Counter(row["model"] for row in rows) == {"large": ran["large"], "small": ran["tiny"]}
    each = {row["model"]: float(row["input_cost"] / row["input_tokens"]) * 1e6 for row in rows}
    assert each == pytest.approx({"large": 10, "small": 1})
    listed = place.envoy.get("/v1/models", headers=who.headers).json()["data"]
    assert {"fast", "large", "small"} <= {each["id"] for each in listed}


def test_who_may_use_an_alias_and_what_of_it(place: Place, servers: list[Server]) -> None:
    one, two = servers
    place.register("l2", endpoint=one.url)
    place.register("s2", endpoint=two.url)
    place.register("f2", targets=[{"model": "l2"}, {"model": "s2"}])
    anyone = place.tenant()
    for model in ("l2", "s2"):
        place.until_served(anyone, model)
    by_alias, by_model = place.tenant(key={"models_allowed": ["f2"]}), place.tenant(key={"models_allowed": ["s2"]})
    other = place.tenant(key={"models_allowed": ["mock-model"]})
    assert {place.chat(by_alias, model="f2").json()["model"] for _ in range(20)} == {"l2", "s2"}
    assert place.chat(by_alias, model="l2").status_code == 403
    assert {place.chat(by_model, model="f2").json()["model"] for _ in range(10)} == {"s2"}
    assert place.chat(other, model="f2").status_code == 403


def test_other_apis_name_the_model_as_its_server_does(place: Place, servers: list[Server]) -> None:
    one, _ = servers
    who = place.tenant()
    place.register("claude", endpoint=one.url, upstream_name="claude-x", credential="file:provider",
                   credential_header="x-api-key")  # fmt: skip
    place.until_served(who, "claude")
    client = anthropic.Anthropic(base_url=f"http://{place.envoy_address}", api_key=who.secret, max_retries=0)
    messages: Any = [{"role": "user", "content": "Hello"}]
    with client.messages.stream(model="claude", max_tokens=8, messages=messages) as stream:
        assert stream.get_final_message().model == "claude-x"
    assert one.took()[-1]["headers"]["x-api-key"] == SECRET
    for gemini in ("/v1beta/models/claude:generateContent?alt=json", "/v1beta//models/cl%61ude%3AgenerateContent"):
        place.envoy.post(gemini, json={"contents": []}, headers=who.headers)
        assert one.took()[-1]["path"].startswith("/v1beta/models/claude-x:generateContent")
    twice = "/claude/v1beta/models/claude:generateContent"
    place.envoy.post(twice, json={"contents": []}, headers=who.headers)
    assert one.took()[-1]["path"] == twice[:-22] + "claude-x:generateContent"
    form: Any = {"file": ("a.wav", b"RIFF", "audio/wav"), "model": (None, "claude")}
    place.envoy.post("/v1/audio/transcriptions", files=form, headers=who.headers)
    body = one.took()[-1]["body"]
    assert 'name="model"\r\n\r\nclaude-x\r\n' in body
    assert "RIFF" in body


def test_the_default_upstream_gets_the_name_too(place: Place) -> None:
    who = place.tenant()
    place.register("mine", upstream_name="mock-model-mine")
    place.register("either", targets=[{"model": "mine"}])
    for name in ("mine", "either"):
        assert place.until_served(who, name).json()["model"] == "mock-model-mine"
    assert {row["model"] for row in place.usage_when(who, 2)} == {"mine"}


def test_a_body_says_how_urgent_its_group_is_whatever_the_client_says(place: Place, servers: list[Server]) -> None:
    one, _ = servers
    place.admin.post("/fairshare/groups", json={"name": "urgent", "weight": 300}).raise_for_status()
    who, other = place.tenant(fairshare_group="urgent"), place.tenant()
    place.register("ordered", endpoint=one.url, upstream_name="there", send_priority=True)
    place.register("as-it-comes", endpoint=one.url)
    for model in ("ordered", "as-it-comes"):
        place.until_served(who, model)
    one.took()

    def came(text: str, who: Credential = who, path: str = "/v1/chat/completions") -> str:
        answer = place.envoy.post(path, content=text, headers={**who.headers, "content-type": "application/json"})
        assert answer.status_code == 200, answer.text
        (took,) = one.took()
        return str(took["body"])

    rest = '"messages":[{"role":"user","content":"Hi","priority":1}],"max_tokens":4'
    asks = '{"model":"ordered",' + rest
    assert came(asks + "}") == '{"priority":-300,"model":"there",' + rest + "}"
    assert came(asks + "}", other).startswith('{"priority":-100,"model":"there",')
    for theirs in ("-9", '"-9"', "null", "[1, [2]]", '{"priority": -9}'):
        assert came(asks + f', "priority": {theirs} }}') == '{"model":"there",' + rest + ', "priority": -300 }'
    twice = came('{"priority":-1,"model":"ordered",' + rest + r',"prio\u0072ity":-2}')
    assert json.loads(twice, object_pairs_hook=list)[0] == ("priority", -300)
    assert twice.count("-300") == 2
    assert (
        json.loads(came(asks + ',"max_tokens":4}'.replace("max_", "min_"), path="/v1/messages")).get("priority") is None
    )
    assert (
        came('{"model":"as-it-comes","priority":5,' + rest + "}") == '{"model":"as-it-comes","priority":5,' + rest + "}"
    )


def test_a_stream_ends_where_it_began_while_its_model_moves_and_goes(place: Place, servers: list[Server]) -> None:
    one, two = servers
    who = place.tenant()
    model_id = place.register("moving", endpoint=one.url)
    place.until_served(who, "moving")
    two.took()
    body = {"model": "moving", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 120, "stream": True}
    headers = {**who.headers, "x-stub-tokens": "120", "x-stub-tokens-per-second": "12"}
    with place.envoy.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        next(lines)
        place.change(model_id, "moving", endpoint=two.url)
        wait_for(lambda: (place.until_served(who, "moving"), two.took())[1] or None, "the other endpoint")
        place.admin.delete(f"/models/{model_id}").raise_for_status()
        wait_for(lambda: place.chat(who, model="moving").status_code == 404 or None, "the end of the model")
        rest = [*lines]
    assert rest[-2:] == ["data: [DONE]", ""] or rest[-1] == "data: [DONE]"
    row = wait_for(lambda: next((r for r in place.usage(who) if r["output_tokens"] == 120), None), "its row")
    assert (row["model"], row["usage_source"], row["aborted"]) == ("moving", "reported", False)


def test_another_endpoint_is_tried_and_counted_once(place: Place, servers: list[Server]) -> None:
    one, two = servers
    who = place.tenant()
    gone = f"http://127.0.0.1:{free_port()}"
    model_id = place.register("ha", endpoints=[{"url": gone}, {"url": two.url, "priority": 1}])
    for _ in range(5):
        place.until_served(who, "ha")
    came = len(two.took())
    served = wait_for(lambda: n if (n := [r["status"] for r in place.usage(who)].count(200)) >= 5 else None, "rows")
    assert came == served

    def seen() -> bool | None:
        place.chat(who, model="ha")  # an endpoint that is left alone for a moment is tried again
        endpoints = place.admin.get(f"/models/{model_id}").json()["live"]["endpoints"]
        return [each["healthy"] for each in endpoints] == [False, True] or None

    wait_for(seen, "Envoy's word on the endpoints")
    with running(StubOptions(models=("",), failure_rate=1.0, failure_status=503)) as busy:
        place.register("busy", endpoints=[{"url": busy}, {"url": one.url, "priority": 1}], retries=2)
        place.until_served(who, "busy")
        assert len(WEB.get(f"{busy}/stub/requests").json()) == 2  # and then the next priority
        assert len(one.took()) == 1
    with running(StubOptions(models=("",), failure_rate=1.0, failure_status=500)) as broken:
        place.register("broken", endpoints=[{"url": broken}, {"url": one.url}], retries=0)
        wait_for(lambda: place.chat(who, model="broken").status_code == 500 or None, "the answer of a broken server")

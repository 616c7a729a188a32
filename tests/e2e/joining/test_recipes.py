"""docs/install/joining.md: its recipes on an Envoy that somebody runs already."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT

import httpx
import pytest

from tests.e2e.deployment import MODEL, Deployment, wait_for
from tests.e2e.joining.mine import COMPRESSOR, CORS, HTTP2, NOWHERE, blocks_of, cluster, recipe, running
from tests.e2e.joining.services import DENIED_BODY, TOKEN, serving
from tests.warm import WarmProcess
from tollkeeper.config import as_environment
from tollkeeper.up.process import free_port
from tollkeeper.up.stack import answers

CHAT = "/v1/chat/completions"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12}
MODELS, SHOP, OTHER = "models.example.com", "shop.example.com", "other.example.com"

Clients = dict[str, httpx.Client]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mine")


@pytest.fixture(scope="module")
def mine(stack: Deployment, directory: Path) -> Iterator[Clients]:
    blocks = blocks_of(stack, directory)
    on = blocks["http_filters"]["http_filters"]
    off = [{**each, "disabled": True} for each in on]
    own_log, own_replies = recipe("access log"), recipe("local replies")["local_reply_config"]["mappers"]
    own_log["access_log"][0]["typed_config"]["path"] = str(directory / "mine.log")
    logs = {"access_log": [*own_log["access_log"], *blocks["access_log"]["access_log"]]}
    mappers = blocks["local_reply"]["local_reply_config"]["mappers"]
    own = {"local_reply_config": {"mappers": [*mappers, *own_replies]}}
    listeners = {
        "on": {**logs, **own, "http_filters": [CORS, COMPRESSOR, *on], "route_config": recipe("exempt")},
        "off": {**logs, **blocks["local_reply"], "http_filters": off, "route_config": recipe("apply")},
        "not ours": {"http_filters": [], "route_config": recipe("exempt")},
    }
    # Of the third, a listener beside, the hosts without the switches, which name filters that it does not have.
    for host in listeners["not ours"]["route_config"]["virtual_hosts"]:
        for each in (host, *host["routes"]):
            each.pop("typed_per_filter_config", None)
    clusters = [cluster("models", stack.stub_url), cluster("shop", NOWHERE)]
    with running(directory, listeners, clusters) as clients:
        yield clients


def ask(client: httpx.Client, host: str, path: str = CHAT, **headers: str) -> httpx.Response:
    return client.post(path, json=BODY, headers={"host": host, **headers})


def test_the_blocks_that_are_rendered_are_those_of_the_page(stack: Deployment, directory: Path, mine: Clients) -> None:
    blocks = blocks_of(stack, directory)
    switch = "typed_per_filter_config"
    assert recipe("exempt")["virtual_hosts"][0]["routes"][0][switch] == blocks["exempt"][switch]
    assert recipe("apply")["virtual_hosts"][0][switch] == blocks["apply"][switch]


def test_a_route_or_a_host_is_exempt_and_the_others_are_not(stack: Deployment, mine: Clients) -> None:
    who = stack.tenant()
    assert mine["on"].get("/healthz", headers={"host": MODELS}).status_code == 200
    assert ask(mine["on"], MODELS).status_code == 401
    assert ask(mine["on"], MODELS, **who.headers).status_code == 200
    (row,) = stack.usage_when(who, 1)
    assert row["usage_source"] == "reported"
    assert ask(mine["not ours"], MODELS).status_code == 200


def test_local_replies_of_ones_own_and_tollkeepers(stack: Deployment, mine: Clients) -> None:
    who = stack.tenant(tokens_per_minute=1)
    assert (down := ask(mine["on"], SHOP)).status_code == 503
    assert down.text == "the shop says 503"
    assert ask(mine["on"], MODELS).json()["error"]["code"] == "invalid_api_key"
    assert ask(mine["on"], MODELS, **who.headers).json()["error"]["type"] == "tokens"
    assert ask(mine["on"], MODELS, "/v1/unknown", **who.headers).json()["error"]["code"] == "unknown_url"
    twice = mine["on"].post(CHAT, content='{"model":"a","model":"b"}', headers={"host": MODELS, **who.headers})
    assert twice.json()["error"]["code"] == "duplicate_key"
    gone = ask(mine["off"], OTHER, "/v1/down", **stack.tenant().headers)
    assert gone.json()["error"]["code"] == "unknown_url"


def test_an_access_log_of_ones_own_beside_tollkeepers(stack: Deployment, directory: Path, mine: Clients) -> None:
    ask(mine["on"], SHOP)
    wait_for(lambda: (directory / "mine.log").read_text() or None, "a line of one's own")
    wait_for(lambda: (directory / "tollkeeper.jsonl").read_text() or None, "a line of Tollkeeper's")


def test_one_host_or_some_paths_alone(stack: Deployment, mine: Clients) -> None:
    who = stack.tenant()
    for host, path in ((MODELS, CHAT), (OTHER, CHAT)):
        assert ask(mine["off"], host, path).status_code == 401
        assert ask(mine["off"], host, path, **who.headers).status_code == 200
    assert ask(mine["off"], OTHER, "/elsewhere").status_code == 200
    assert {row["usage_source"] for row in stack.usage_when(who, 2)} == {"reported"}


@pytest.fixture(scope="module")
def beside(stack: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Authentication and rate limits of one's own, ahead of Tollkeeper's and behind; keys have their own header."""
    directory = tmp_path_factory.mktemp("beside")
    settings = stack.settings.model_copy(
        update={
            "key_headers": "x-models-key",
            "authz_socket": directory / "authz.sock",
            "ratelimit_socket": directory / "ratelimit.sock",  # its metrics are beside it
            "metrics_listen": f"127.0.0.1:{free_port()}",
        }
    )
    command, log = ["sidecar", "authz"], directory / "authz.log"
    with ExitStack() as running_too:
        environment = as_environment(settings)
        authz = WarmProcess("authz", command, log, environment=environment, stop_signal=SIGINT)
        running_too.callback(authz.stop)
        authz.wait_until(lambda: answers(f"http://{settings.metrics_listen}/readyz"))
        mine = running_too.enter_context(serving())
        blocks = blocks_of(
            stack, directory, authz=(f"unix:{settings.authz_socket}",), key_headers=settings.key_header_names
        )
        ours, own = blocks["http_filters"]["http_filters"], recipe("own filters")["http_filters"]
        route_config = {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "models", "timeout": "0s"}}],
                    "rate_limits": [
                        {"actions": [{"request_headers": {"header_name": "x-much", "descriptor_key": "much"}}]}
                    ],
                }
            ]
        }
        shared = {**blocks["access_log"], **blocks["local_reply"], "route_config": route_config}
        orders = {"ahead": [*own, *ours], "behind": [*ours, *own]}
        listeners = {name: {**shared, "http_filters": filters} for name, filters in orders.items()}
        clusters = [cluster("models", stack.stub_url), cluster("mine", mine, **HTTP2)]
        yield running_too.enter_context(running(directory, listeners, clusters))


@pytest.mark.parametrize("order", ["ahead", "behind"])
def test_ones_own_authentication_and_rate_limits(stack: Deployment, beside: Clients, order: str) -> None:
    who = stack.tenant()
    keyed, token = {"x-models-key": who.secret}, {"authorization": TOKEN}
    seen = len(stack.seen_upstream())
    served = ask(beside[order], MODELS, **keyed, **token)
    assert served.status_code == 200, served.text
    headers = dict(stack.seen_upstream()[seen]["headers"])
    assert headers["authorization"] == TOKEN
    assert "x-models-key" not in headers
    no_key = ask(beside[order], MODELS, **token)
    assert (no_key.status_code, no_key.json()["error"]["message"]) == (
        401,
        "No API key was sent. Send it as 'x-models-key: <key>'.",
    )
    assert ask(beside[order], MODELS, authorization="Basic bWU6", **keyed).text == DENIED_BODY
    limited = ask(beside[order], MODELS, **{"x-much": "too much"}, **keyed, **token)
    assert (limited.status_code, limited.text) == (429, "")
    rows = stack.usage_when(who, 1 if order == "ahead" else 3)
    assert [row["output_tokens"] > 0 for row in rows] == [True, *([] if order == "ahead" else [False, False])]
    assert rows[0]["usage_source"] == "reported"

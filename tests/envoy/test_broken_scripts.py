"""Scripts that fail in the midst of a request: Envoy's Lua filter would let it go on, ours must not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.envoy.chain import CHAT, MESSAGES, WITHOUT_SERVICES, Chain, existing_envoy
from tests.envoy.conftest import envoy_with

Sent = Callable[[], list[dict[str, Any]]]
BODY = '{"model":"mock-model",' + MESSAGES + "}"
# Script, a function that every request or answer goes through, and a header with which it fails.
FAILS = (
    ("guard.lua", "screen", "x-broken", "guard"),
    ("meter.lua", "guard", "x-broken", "meter"),
    ("meter.lua", "read_answer", "content-type", "application/json"),
)


@pytest.fixture(scope="module")
def broken(stub_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("broken")
    bootstrap = existing_envoy(directory, stub_url, left_out=WITHOUT_SERVICES)
    for script, function, header, value in FAILS:
        file, head = directory / "tollkeeper" / script, f"local function {function}(handle)\n"
        text = file.read_text()
        assert text.count(head) == 1
        fails = f'  if handle:headers():get("{header}") == "{value}" then error("broken") end\n'
        file.write_text(text.replace(head, head + fails))
    with envoy_with(bootstrap, directory) as url:
        yield Chain(url, directory / "access.jsonl")


@pytest.mark.parametrize("name", ["guard", "meter"])
def test_a_request_that_a_script_failed_to_check_goes_nowhere(broken: Chain, sent: Sent, name: str) -> None:
    answer = broken.post(BODY, x_broken=name)
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (name, "The request could not be checked")
    assert sent() == []


def test_its_refusal_has_the_shape_of_the_api(broken: Chain, sent: Sent) -> None:
    answer = broken.post(BODY, "/v1/messages", x_broken="meter")
    assert (answer.status_code, answer.json()["type"]) == (500, "error")
    assert sent() == []


def test_an_answer_that_a_script_failed_to_read_goes_on_and_is_told(broken: Chain) -> None:
    answer = broken.post(BODY, CHAT, x_request_id="unread")
    assert answer.status_code == 200
    assert answer.json()["usage"]
    assert broken.entry("unread")["usage"].startswith("- - unread - ")

"""Of which requests the meter makes a key for the response cache, and what counts in it, once authz says which models
have one."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.envoy.chain import CHAT, MESSAGES, WITHOUT_SERVICES, Chain, existing_envoy
from tests.envoy.conftest import envoy_with

SET = "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config"
KEPT, NO_KEY = '"model":"kept"', "-:"
FORM = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n%s\r\n--b--\r\n'
MULTIPART = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def keys(stub_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """With a filter that says what authz would, and the key in the log."""
    directory = tmp_path_factory.mktemp("keys")
    bootstrap = existing_envoy(directory, stub_url, left_out=WITHOUT_SERVICES)

    def with_caches(port: int) -> dict[str, Any]:
        config = bootstrap(port)
        manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        said = {"metadata_namespace": "envoy.filters.http.ext_authz", "value": {"cache": "other\nkept\nmaker/kept:1"}}
        manager["http_filters"].insert(1, {"name": "said", "typed_config": {"@type": SET, "metadata": [said]}})
        log = manager["access_log"][0]["typed_config"]["log_format"]["json_format"]
        log["key"] = "%DYNAMIC_METADATA(tollkeeper.cache:request)%"
        return config

    with envoy_with(with_caches, directory) as url:
        yield Chain(url, directory / "access.jsonl")


def key(keys: Chain, body: str, path: str = CHAT, **headers: str) -> str | None:
    name = f"r{time.monotonic_ns()}"
    keys.post(body, path, x_request_id=name, **headers)
    found: str | None = keys.entry(name)["key"]
    return found


# Path and body; whether a key may be needed.
ASKED = {
    "the model": (CHAT, f"{{{KEPT},{MESSAGES}}}", True),
    "another one": (CHAT, f'{{"model":"others",{MESSAGES}}}', False),
    "a part of a name": (CHAT, f'{{"model":"kep",{MESSAGES}}}', False),
    "no model, which may be the default one": (CHAT, f"{{{MESSAGES}}}", True),
    "in the path": ("/v1beta/models/kept:generateContent", "{}", True),
    "another in the path": ("/v1beta/models/theirs:generateContent", "{}", False),
    "another deployment": ("/openai/deployments/mine/chat/completions", f"{{{MESSAGES}}}", False),
    "escaped in the path": ("/model/maker%2Fkept%3A1/converse", "{}", True),
    "another in the body": ("/engines/kept/embeddings", '{"model":"others"}', False),
}


@pytest.mark.parametrize(("path", "body", "needed"), ASKED.values(), ids=ASKED)
def test_a_key_is_made_of_requests_whose_model_has_a_cache(keys: Chain, path: str, body: str, needed: bool) -> None:
    found = key(keys, body, path)
    assert found is None if not needed else found is not None and len(found.partition(":")[0]) == 64


def test_what_has_no_key_is_told_of_such_models_alone(keys: Chain) -> None:
    assert key(keys, "[1]") == NO_KEY
    assert key(keys, FORM % "kept", content_type=MULTIPART) == NO_KEY
    assert key(keys, FORM % "others", content_type=MULTIPART) is None
    assert key(keys, f'{{{KEPT},"conversation":"c"}}') == NO_KEY
    assert key(keys, f"{{{KEPT}}}", cache_control="no-store") == "-:s"
    assert key(keys, f'{{{KEPT},"seed":1}}', cache_control="no-cache", x_fresh="1") != key(
        keys, f'{{{KEPT},"seed":1}}', cache_control="no-cache"
    )


def test_the_key_is_of_what_the_client_sent(keys: Chain) -> None:
    """The model server is asked for its usage in any case, which makes no two requests alike."""
    plain, asked, refused = (
        key(keys, json.dumps({"model": "kept", "stream": True, "messages": [], **more}))
        for more in ({}, {"stream_options": {"include_usage": True}}, {"stream_options": {"include_usage": False}})
    )
    assert len({plain, asked, refused}) == 3
    assert key(keys, ' {"messages": [], "stream": true, "model": "kept"}') == plain

"""ChatAPI's document against a fresh `tollkeeper up` in front of an upstream that is no model server: its blocks,
answers, error texts and log lines."""

import json
import re
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.control_planes import chatapi_document as document
from tests.e2e.control_planes.conftest import RATE, Fresh, values_of
from tests.e2e.deployment import wait_for
from tollkeeper.up.stack import DEV_ADMIN_TOKEN


def run(fresh: Fresh, block: str, key: str = "", master_key: str = DEV_ADMIN_TOKEN) -> list[Any]:
    """The answers of a block.  Its one address is two here."""
    for placeholder in document.MASTER_KEYS:
        block = block.replace(f'X-Master-Key: {placeholder}"', f'X-Master-Key: {master_key}"')
    block = block.replace(f"{document.HOST}/admin", f"{fresh.admin_url}/admin").replace(document.HOST, fresh.models_url)
    return values_of(fresh.run(block, CHATAPI_KEY=key))


@pytest.fixture(scope="module")
def made(fresh: Fresh) -> dict[str, str]:
    """What the document's first command answers."""
    (answer,) = run(fresh, document.CREATE)
    assert isinstance(answer, dict)
    return answer


def test_a_tenant_and_its_first_key_are_answered(made: dict[str, str], fresh: Fresh) -> None:
    further = run(fresh, document.FURTHER)
    assert [each["name"] for each in (made, *further)] == ["MyCompany", "AnotherCompany", "StagingEnvironment"]
    for answer in (made, *further):
        assert [*answer] == [*document.ANSWER]
        assert re.fullmatch(r"tenant_[0-9a-f]{12}", answer["tenant_id"])
        assert re.fullmatch(r"sk_[0-9a-f]{48}", answer["api_key"])
        assert len(answer["api_key"]) >= len(document.ANSWER["api_key"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["created_at"])
        assert datetime.fromisoformat(answer["created_at"]).tzinfo is not None


def test_the_upstream_is_told_the_tenant_and_never_a_key(made: dict[str, str], fresh: Fresh) -> None:
    for block, path, user in (
        (document.ROOMS, "/rooms", "testuser"),
        (document.MESSAGES, "/rooms/room_abc123/messages", "alice"),
    ):
        (seen,) = run(fresh, block, made["api_key"])
        headers = seen["headers"]
        assert (seen["path"], headers["x-tenant-id"], headers["x-end-user-id"]) == (path, made["tenant_id"], user)
        assert not {"x-api-key", "x-user-id", "authorization"} & headers.keys()
        assert made["api_key"] not in json.dumps(seen)
    assert seen["body"] == {"content": "Hello from my tenant!"}
    wait_for(lambda: True if fresh.used(made["tenant_id"])["requests"] == 2 else None, "both in the ledger")


def test_the_default_rate_is_a_limit_like_any_other(made: dict[str, str], fresh: Fresh) -> None:
    """The management API changes what ChatAPI set."""
    tenant = f"/tenants/{made['tenant_id']}"
    assert fresh.admin.get(tenant).json()["requests_per_minute"] == RATE
    fresh.admin.patch(tenant, json={"requests_per_minute": 1}).raise_for_status()
    refused = wait_for(
        lambda: next((each for each in run(fresh, document.ROOMS, made["api_key"]) if "error" in each), None),
        "the refusal by the limit",
    )
    assert refused["error"]["type"] in ("requests", "rate_limit_exceeded", "tokens")


def test_a_master_key_is_no_tenant_key_and_the_other_way_round(made: dict[str, str], fresh: Fresh) -> None:
    (refused,) = run(fresh, document.ROOMS, DEV_ADMIN_TOKEN)
    assert refused["error"]["message"] == "Invalid API key"
    for wrong in (made["api_key"], "your-master-key-here"):
        (refused,) = run(fresh, document.CREATE, master_key=wrong)
        assert refused["error"] == "Unauthorized"


def test_the_log_lines_are_there_under_debug(made: dict[str, str], fresh: Fresh) -> None:
    run(fresh, document.ROOMS, made["api_key"])
    run(fresh, document.ROOMS, "sk_" + "0" * 48)

    def found() -> list[dict[str, Any]] | None:
        text = (fresh.directory / "logs" / "sidecar.log").read_text()
        lines = [json.loads(line) for line in re.findall(r"^\{.*\}$", text, re.MULTILINE)]
        validated = [each for each in lines if each.get("tenant_id") == made["tenant_id"]]
        invalid = [each for each in lines if each["msg"] == "Invalid API key"]
        return [validated[0], invalid[0]] if validated and invalid else None

    for line, documented in zip(wait_for(found, "both lines"), document.LOGGED, strict=True):
        expected = {**documented, "tenant_id": made["tenant_id"]} if "tenant_id" in documented else documented
        assert {name: line[name] for name in documented} == expected


def test_the_quick_start_of_our_own_page_works(fresh: Fresh) -> None:
    (seen,) = values_of(fresh.quick_start("client/chatapi.md", "until curl", MASTER_API_KEY=DEV_ADMIN_TOKEN))
    assert (seen["path"], seen["headers"]["x-end-user-id"]) == ("/rooms", "alice")

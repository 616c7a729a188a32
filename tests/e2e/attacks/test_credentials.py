"""A key that is sent a second time goes nowhere: not upstream, and into nothing that is written."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.e2e.deployment import MODEL, Deployment, wait_for

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


def files_below(directory: Path, *names: str) -> list[Path]:
    return [path for name in names for path in (directory / name).rglob("*") if path.is_file()]


def test_copies_of_a_key_are_neither_sent_nor_written(stack: Deployment) -> None:
    who = stack.tenant()
    copies = {
        "cookie": f"token={who.secret}",
        "proxy-authorization": f"Bearer {who.secret}",
        "x-goog-api-key": who.secret,
        "sec-websocket-protocol": f"openai-insecure-api-key.{who.secret}",
        "x-user-id": who.secret,
        "x-request-id": f"r-{who.secret}",
    }
    assert stack.chat(who, copies).status_code == 200
    for path in (f"/v1/chat/completions?key={who.secret}", f"/v1/{who.secret}/chat/completions"):
        for headers in (who.headers, {}):
            assert stack.envoy.post(path, json=BODY, headers=headers).status_code == 400
    assert stack.chat(who, model=who.secret).status_code in (200, 404)
    (first, second) = stack.usage_when(who, 2)
    assert (first["end_user_id"], first["request_id"], second["model"]) == ("", "r-sk_removed", "sk_removed")
    log = stack.settings.access_log_file
    assert log is not None
    wait_for(lambda: True if log.read_text().count("sk_removed") >= 4 else None, "the log lines")
    bodies = [seen for seen in stack.seen_upstream() if who.secret in str(seen["headers"]) + seen["path"]]
    assert bodies == []
    assert [path for path in files_below(stack.directory, ".") if who.secret.encode() in path.read_bytes()] == []


def test_what_is_written_is_for_its_owner_alone(stack: Deployment) -> None:
    who = stack.tenant()
    assert stack.chat(who).status_code == 200
    stack.usage_when(who, 1)
    log = stack.settings.access_log_file
    assert log is not None
    wait_for(lambda: True if log.exists() else None, "Envoy's log")
    for path in (log, *files_below(stack.directory, "logs", "sidecar", "valkey")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_valkey_is_reached_through_its_socket_with_its_password_alone(stack: Deployment) -> None:
    url = urlsplit(stack.redis_url)
    assert (url.scheme, bool(url.password)) == ("unix", True)
    command = Path(f"/proc/{stack.processes['valkey'].pid}/cmdline").read_bytes()
    assert url.password is not None
    assert url.password.encode() not in command
    with stack.redis() as client:
        assert client.config_get("port") == {"port": "0"}
    with redis.Redis(unix_socket_path=url.path) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()

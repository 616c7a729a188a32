"""Settings: a bad one names itself, and what is passed to a child process is read back the same."""

import pytest

from admin.surfaces import OTHERS
from tollkeeper.config import BadSettings, as_environment, read_settings
from tollkeeper.settings.types import SURFACES

BAD = [
    ("TOLLKEEPER_GRPC_LISTEN", "9001", "must be HOST:PORT"),
    ("TOLLKEEPER_GRPC_LISTEN", "127.0.0.1:0", "must be HOST:PORT"),
    ("TOLLKEEPER_GRPC_LISTEN", "127.0.0.1:65536", "must be HOST:PORT"),
    ("TOLLKEEPER_GRPC_SECRET", "s" * 31, "must be 32 to 256 characters"),
    ("TOLLKEEPER_GRPC_SECRET", "s" * 32 + ",short", "must be 32 to 256 characters"),
    ("TOLLKEEPER_GRPC_SECRET", "%" * 32, "must be 32 to 256 characters"),
    ("TOLLKEEPER_GRPC_SECRET", "", "must be 32 to 256 characters"),
    ("TOLLKEEPER_REDIS_URL", "localhost:6379", "must be a URL"),
    ("TOLLKEEPER_DATABASE_URL", "mysql://x", "must be a URL"),
    ("TOLLKEEPER_CACHE_SECONDS", "16", "less than or equal to 15"),
    ("TOLLKEEPER_REDIS_TIMEOUT_MS", "fast", "valid integer"),
    ("TOLLKEEPER_FAILURE_MODE", "open", "'deny', 'allow' or 'local'"),
    ("TOLLKEEPER_ADMIN_TOKEN", "short", "must have 8 characters or more"),
    ("TOLLKEEPER_PORTAL_SECRET", "x" * 31, "must be 32 characters"),
    ("TOLLKEEPER_PORTAL_SECRET", "x" * 32 + ",y", "must be 32 characters"),
    ("TOLLKEEPER_PORTAL_HOSTS", "region", "must be NAME=VALUE"),
    ("TOLLKEEPER_PORTAL_HOSTS", "host=x", "must be NAME=VALUE"),
    ("TOLLKEEPER_SURFACES", "key-manager,keymanager", "must be all, none, or some of key-manager"),
    ("TOLLKEEPER_SURFACES", "", "must be all, none, or some of"),
    ("TOLLKEEPER_REDISURL", "redis://x", "no such setting"),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD)
def test_a_bad_setting_names_itself(monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=f"^{name}: .*{reason}"):
        read_settings()


CONTRADICTIONS = [
    ({"grpc_listen": "0.0.0.0:9001"}, "TOLLKEEPER_GRPC_SECRET: not set; without it anyone who can reach 0.0.0.0:9001 "),
    ({"lease_seconds": 180}, "TOLLKEEPER_LEASE_SECONDS: 180 must be more than the 600 of TOLLKEEPER_IDLE_TIMEOUT"),
    ({"lease_seconds": 90, "idle_timeout_seconds": 90}, "TOLLKEEPER_LEASE_SECONDS: 90 must be more than the 90 "),
    ({"stale_seconds": 5}, "TOLLKEEPER_STALE_SECONDS: 5 must be 0 or at least the 15 of TOLLKEEPER_CACHE_SECONDS"),
]


@pytest.mark.parametrize(("given", "said"), CONTRADICTIONS)
def test_settings_that_cannot_work_together_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings, match=f"^{said}"):
        read_settings(**given)


def test_durations_that_can_are_taken() -> None:
    assert read_settings(lease_seconds=90, idle_timeout_seconds=89.5).lease_seconds == 90
    assert read_settings(lease_seconds=181).idle_timeout_seconds == 600
    assert read_settings(stale_seconds=0).stale_seconds == 0
    assert read_settings(stale_seconds=5, cache_seconds=5).stale_seconds == 5


def test_every_bad_setting_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_LOG_LEVEL", "loud")
    monkeypatch.setenv("TOLLKEEPER_DRAIN_SECONDS", "-1")
    with pytest.raises(BadSettings) as raised:
        read_settings()
    assert len(str(raised.value).splitlines()) == 2


def test_a_bad_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_ADMIN_TOKEN", "hunter2")
    with pytest.raises(BadSettings) as raised:
        read_settings()
    assert "hunter2" not in str(raised.value)


def test_a_child_process_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(
        admin_token="a-long-token",
        grpc_secret="o" * 32 + "," + "n" * 32,
        redis_timeout_ms=70,
        access_log_file="/tmp/access.jsonl",
    )
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


@pytest.mark.parametrize("none", ["", "none"])
def test_a_deployment_without_a_file_log_says_so(monkeypatch: pytest.MonkeyPatch, none: str) -> None:
    monkeypatch.setenv("TOLLKEEPER_ACCESS_LOG_FILE", none)
    settings = read_settings()
    assert settings.access_log_file is None
    assert as_environment(settings)["TOLLKEEPER_ACCESS_LOG_FILE"] == "none"


def test_of_two_secrets_the_first_is_said_and_both_are_accepted() -> None:
    assert read_settings(grpc_secret="n" * 32 + ", " + "o" * 32).grpc_secrets == ("n" * 32, "o" * 32)
    assert read_settings().grpc_secrets == ()


def test_the_admin_token_has_no_default() -> None:
    assert read_settings().admin_token is None


def test_a_short_admin_token_is_told_how_long_it_must_be() -> None:
    with pytest.raises(BadSettings, match=r"^TOLLKEEPER_ADMIN_TOKEN: must have 8 characters or more; `openssl") as told:
        read_settings(admin_token="tooshrt")
    assert "tooshrt" not in str(told.value)


def test_the_surfaces_are_those_that_there_are() -> None:
    assert read_settings().other_surfaces == SURFACES == tuple(OTHERS)
    assert read_settings(surfaces="none").other_surfaces == ()
    assert read_settings(surfaces="key-manager, key-manager").other_surfaces == ("key-manager",)


def test_other_names_set_what_ours_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MASTER_API_KEY", "a-master-key"), ("DEFAULT_RATE_LIMIT", "1000"), ("LOG_LEVEL", "DEBUG")):
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.admin_token is not None
    assert settings.admin_token.get_secret_value() == "a-master-key"
    assert (settings.default_rate_limit, settings.log_level) == (1000, "debug")
    monkeypatch.setenv("TOLLKEEPER_LOG_LEVEL", "warning")
    monkeypatch.setenv("TOLLKEEPER_DEFAULT_RATE_LIMIT", "5")
    assert (read_settings().default_rate_limit, read_settings().log_level) == (5, "warning")


def test_a_level_that_other_programs_know_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "trace")
    assert read_settings().log_level == "info"


def test_two_admin_tokens_by_two_names_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_ADMIN_TOKEN", "one-admin-token")
    monkeypatch.setenv("MASTER_API_KEY", "one-admin-token")
    assert read_settings().admin_token is not None
    monkeypatch.setenv("MASTER_API_KEY", "another-admin-token")
    with pytest.raises(BadSettings, match="MASTER_API_KEY: differs"):
        read_settings()

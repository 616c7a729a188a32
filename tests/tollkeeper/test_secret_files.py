"""Secrets in files."""

from pathlib import Path

import pytest

from tollkeeper.config import BadSettings, as_environment, read_settings

SECRET = "s" * 32


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    monkeypatch.setenv("TOLLKEEPER_GRPC_SECRET_FILE", str(path))
    return path


def test_a_secret_is_read_from_its_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings()
    assert settings.grpc_secrets == (SECRET,)
    for name, value in as_environment(settings).items():  # as a child process has it, beside the file
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_a_variable_that_says_something_else_is_one_too_many(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_GRPC_SECRET", "t" * 32)
    with pytest.raises(BadSettings, match=r"TOLLKEEPER_GRPC_SECRET_FILE: .* set one of them") as refused:
        read_settings()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"short"])
def test_a_file_that_has_none_is_named(file: Path, content: bytes | None) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadSettings, match="TOLLKEEPER_GRPC_SECRET"):
        read_settings()


def test_only_secrets_have_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_WORKERS_FILE", "/dev/null")
    with pytest.raises(BadSettings, match="TOLLKEEPER_WORKERS_FILE: no such setting"):
        read_settings()

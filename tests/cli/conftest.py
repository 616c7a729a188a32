"""The real command against a real API on real stores."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from tests.admin.conftest import TOKEN, Admin, admin, running_admin
from tollkeeper.__main__ import app

__all__ = ["admin", "running_admin"]


@pytest.fixture(autouse=True)
def logs_beside_the_output() -> Iterator[None]:
    """What the API logs in this process, where a real one logs in its own."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.configure(**before)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command:
    """`tollkeeper …`, in this process: starting one takes half a second."""

    def __init__(self, url: str) -> None:
        self._environment = {"TOLLKEEPER_API_URL": url, "TOLLKEEPER_ADMIN_TOKEN": TOKEN, "COLUMNS": "300"}

    def __call__(self, *arguments: str, stdin: str | None = None, **environment: str | None) -> Ran:
        known = {**self._environment, **environment}
        result = CliRunner().invoke(app, list(arguments), input=stdin, env=known)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def ok(self, *arguments: str, stdin: str | None = None) -> Ran:
        ran = self(*arguments, stdin=stdin)
        assert ran.code == 0, (arguments, ran)
        return ran

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        return self.ok(*arguments, "--json", stdin=stdin).json


@pytest.fixture
def run(admin: Admin) -> Command:
    return Command(admin.url)


Run = Callable[..., Ran]

"""What `tollkeeper --help` says without importing a command is what the command says, and a start imports little."""

import subprocess
import sys

import pytest

from tollkeeper.cli.lazy import Entry, load
from tollkeeper.cli.table import COMMANDS

HEAVY = {"asyncpg", "fastapi", "google", "grpc", "httpx", "msgspec", "prometheus_client", "pydantic", "redis", "yaml"}
LOADED = f"""
import sys
import tollkeeper.__main__
print(*{HEAVY!r}.intersection(sys.modules))
"""


@pytest.mark.parametrize("entry", COMMANDS, ids=[each.name for each in COMMANDS])
def test_the_list_of_commands_says_what_each_says_of_itself(entry: Entry) -> None:
    command = load(entry)
    assert command.name == entry.name
    assert " ".join(command.help.partition("\n\n")[0].split()) == " ".join(entry.help.split())


def test_a_start_imports_what_no_command_may_need() -> None:
    found = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []

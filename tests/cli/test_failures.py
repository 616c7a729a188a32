"""How commands fail: what they say, where, and with which exit code."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.admin.conftest import TOKEN, run_admin
from tests.cli.conftest import Command
from tests.proxy import TcpProxy
from tollkeeper.up.process import free_port
from tollkeeper.up.valkey import Valkey


def test_exit_codes(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    assert run("tenant", "get", "nobody").code == 3
    assert run("tenant", "create", "acme").code == 4
    assert run("tenant", "create", "acme2", "--weight", "0").code == 2
    assert run("tenant", "create", "acme2", "--weight", "heavy").code == 2
    assert run("tenant", "update", "acme").code == 2
    assert run("tenant", "list", TOLLKEEPER_ADMIN_TOKEN="another-token").code == 5
    assert run("tenant", "list", TOLLKEEPER_ADMIN_TOKEN=None).code == 2
    assert run("tenant", "list", TOLLKEEPER_LOG_LEVEL="loud").code == 2
    assert run("tenant", "list", "--api", f"http://127.0.0.1:{free_port()}").code == 6
    assert run("tenant", "list", "--api", "ftp://127.0.0.1").code == 2
    assert run("tenant", "create", "x", "--set", "weight").code == 2
    assert run("tenant", "create", "x", "--file", "/nowhere.json").code == 2


def test_a_problem_is_said_once_and_clearly(run: Command) -> None:
    assert run("tenant", "get", "nobody").err == "tollkeeper: there is no tenant 'nobody'\n"
    taken = run("tenant", "create", "acme", "--group", "nowhere")
    assert taken.err == "tollkeeper: there is no fairshare group 'nowhere'\n"
    wrong = run("tenant", "create", "acme", "--set", "weight=0", "--set", "colour=red")
    assert wrong.err.startswith("tollkeeper: 2 fields are wrong\n")
    assert "  colour: unknown field\n" in wrong.err
    assert wrong.out == ""
    assert "TOLLKEEPER_ADMIN_TOKEN" in run("tenant", "list", TOLLKEEPER_ADMIN_TOKEN="another-token").err
    assert "TOLLKEEPER_ADMIN_TOKEN: not set" in run("tenant", "list", TOLLKEEPER_ADMIN_TOKEN=None).err


def test_with_json_a_problem_is_the_document(run: Command) -> None:
    ran = run("tenant", "create", "acme", "--weight", "0", "--json")
    document = json.loads(ran.err)
    assert (ran.code, ran.out) == (2, "")
    assert (document["status"], document["errors"][0]["field"]) == (422, "weight")


def test_deleting_needs_a_yes(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    ran = run("tenant", "delete", "acme")
    assert (ran.code, "--yes" in ran.err) == (2, True)
    assert len(run.json("tenant", "list")) == 1


def test_a_dry_run_deletes_nothing(run: Command) -> None:
    run.ok("tenant", "create", "acme")
    run.ok("model", "create", "m")
    for noun, name in (("tenant", "acme"), ("model", "m")):
        assert run(noun, "delete", name, "--yes", "--dry-run").code in (0, 2)
        assert len(run.json(noun, "list")) == 1


def test_a_change_that_sidecars_cannot_hear_of_yet_is_said_to_be(
    database_url_sync: str, valkey: Valkey, redis_url: str
) -> None:
    proxy = TcpProxy(valkey.port)
    try:
        with run_admin(database_url_sync, redis_url, redis=f"redis://127.0.0.1:{proxy.port}/0") as admin:
            run = Command(admin.url)
            assert "Redis cannot be reached" not in run.ok("model", "create", "m").err
            proxy.cut()
            for words in (("create", "n"), ("update", "n", "--disabled"), ("delete", "n", "--yes")):
                assert "Redis cannot be reached" in run.ok("model", *words).err, words
    finally:
        proxy.close()


@contextlib.contextmanager
def answering(status: int, location: str = "") -> Iterator[tuple[str, list[str]]]:
    """A server that is no management API, and the tokens that it was shown."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("authorization", ""))
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def test_what_is_not_the_management_api_is_called_so(run: Command) -> None:
    with answering(500) as (url, _):
        ran = run("tenant", "list", "--api", url)
        assert (ran.code, "is it the management API?" in ran.err) == (1, True)


def test_the_token_follows_no_redirect(run: Command) -> None:
    with answering(200) as (other, seen), answering(302, location=other) as (url, _):
        assert run("tenant", "list", "--api", url).code == 1
        assert seen == []


SHELLS = {"bash": "complete -o default -F", "zsh": "compdef", "fish": "complete --command tollkeeper"}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_generate(run: Command, shell: str) -> None:
    script = run.ok("completion", shell).out
    assert SHELLS[shell] in script
    assert "_TOLLKEEPER_COMPLETE" in script


def test_bash_completes_commands_and_options() -> None:
    assert "tenant" in completed("tollkeeper te")
    assert {"list", "get", "create", "delete"} <= completed("tollkeeper tenant ")
    assert {"--json", "--api", "--yes"} <= completed("tollkeeper key delete --")


def completed(line: str) -> set[str]:
    """What the script would offer after `line`, asked as it asks."""
    words = line.split(" ")
    environment = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TOLLKEEPER_COMPLETE": "complete_bash"}
    return set(process(environment=environment).stdout.split())


def process(*arguments: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    program = "import sys; sys.argv[0] = 'tollkeeper'; from tollkeeper.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "TOLLKEEPER_ADMIN_TOKEN": TOKEN, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_as_a_process_of_its_own() -> None:
    ran = process("tenant", "list", "--api", f"http://127.0.0.1:{free_port()}")
    assert (ran.returncode, ran.stdout) == (6, "")
    assert ran.stderr.startswith("tollkeeper: cannot reach the management API at http://127.0.0.1:")
    assert len(ran.stderr.splitlines()) == 1
    assert process("tenant", "--help").returncode == 0

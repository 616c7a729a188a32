"""Asks the LiteLLM proxy for every case that it speaks, one after another, and writes what it booked."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.formats import page, wire
from tests.formats.litellm import proxy, table
from tests.formats.litellm.spoken import Way, way_of
from tests.formats.wire import Answer, End, Upstream

CLIENT_SECONDS = 20.0


class Current(Upstream):
    """Sends the same answer to every request until it is told another one."""

    def __init__(self) -> None:
        super().__init__()
        self.current = Answer(())
        self.asked = 0

    def chosen(self, fields: dict[str, str]) -> Answer:
        self.asked += 1
        return self.current


def request(client: httpx.Client, way: Way, answer: Answer) -> int:
    """The status of the answer, 0 if there was none.  Leaves where the model server stands still."""
    status = 0
    sent = {"data": way.body, "files": {"file": ("a.wav", b"RIFF" + bytes(60))}} if way.form else {"json": way.body}
    quiet = proxy.QUIET_SECONDS if answer.end is End.STALLED else CLIENT_SECONDS
    with suppress(httpx.HTTPError), client.stream("POST", way.path, timeout=quiet, **sent) as reply:  # type: ignore[arg-type]
        status = reply.status_code
        for _ in reply.iter_raw():
            pass
    return status


def tried(upstream: Current, running: proxy.Proxy) -> dict[str, dict[str, Any]]:
    """By module and name of the case."""
    found: dict[str, dict[str, Any]] = {}
    with httpx.Client(base_url=running.url, headers={"authorization": f"Bearer {proxy.KEY}"}) as client:
        for module in page.case_modules():
            server = module.__name__.rpartition(".")[2]
            for name, (answer, _) in module.CASES.items():
                way = way_of(server, name, answer)
                if way is None:
                    continue
                upstream.current, upstream.asked = answer, 0
                status, booked = request(client, way, answer), running.booked()
                row = {"status": status, "asked": upstream.asked, **booked._asdict()}
                found.setdefault(server, {})[name] = row
                print(server, name, row, flush=True)
    return found


def main() -> None:
    upstream = Current()
    with tempfile.TemporaryDirectory(prefix="tollkeeper-litellm-") as name, wire.running(upstream) as url:
        directory = Path(name)
        with proxy.running(proxy.install(directory / "venv"), url, directory) as running:
            cases = tried(upstream, running)
    table.BOOKED.write_text(json.dumps({"version": proxy.VERSION, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""What is in use beside chats while things break: kept answers, MCP calls, webhooks, exports, backups.

Each asks all the time and takes any refusal; `wrong` says what does not hold at the end.
"""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from tests.admin.webhooks.receiver import Receiver, receiving
from tests.e2e.deployment import MODEL, Credential
from tests.e2e.load import Load
from tests.e2e.mcp.servers import Server, running
from tests.e2e.outages.test_mcp_servers import Calls, led_to
from tests.faults.place import Place
from tests.proxy import TcpProxy
from tests.web import NO_TLS
from tollkeeper.config import as_environment

KEPT = f"{MODEL}-kept"
KEPT_SECONDS = 2  # so that answers are kept and given again all the time
NAME = "campaign"  # of the keys that are made
COUNTED = """
    SELECT (SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND name = $2) AS keys,
           (SELECT count(*) FROM webhook_events WHERE tenant_id = $1 AND kind = 'key.created') AS events,
           (SELECT count(*) FROM webhook_deliveries AS d JOIN webhook_events AS e ON e.id = d.event_id
            WHERE e.tenant_id = $1 AND e.kind = 'key.created') AS deliveries
"""
DELIVERED = "SELECT event_id FROM webhook_deliveries WHERE state = 'delivered'"
CALLED = "SELECT count(*) AS n FROM usage WHERE tenant_id = $1 AND admission <> 'refused' AND tool = 'whoami'"


class Rooms:
    """`who` has all of it.  `receiver`: what lies between a webhook and its server."""

    def __init__(self, place: Place, who: Credential, stops: ExitStack) -> None:
        self._place, self._who = place, who
        self.exports, self.backups = Counter[str](), Counter[str]()
        self._kept_files: list[Path] = []
        self._stopping = threading.Event()
        self._server: Server = stops.enter_context(running("one"))
        self._got: Receiver = stops.enter_context(receiving())
        self.receiver = TcpProxy(int(self._got.url.split(":")[2].partition("/")[0]))
        stops.callback(self.receiver.close)
        place.receivers["webhooks"] = self.receiver
        self._register()
        answers = {"model": KEPT, "messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 8}
        self._load = stops.enter_context(Load(place, who, 2, seconds=3600, address=place.envoys[0][0], body=answers))
        self._calls = stops.enter_context(Calls(place, (who, "whoami")))
        for work, pause in ((self._make_key, 0.5), (self._export, 0.5), (self._back_up, 15.0)):
            thread = threading.Thread(target=self._again_and_again, args=[work, pause], daemon=True)
            thread.start()
            stops.callback(thread.join)
        stops.callback(self._stopping.set)

    @property
    def answers(self) -> dict[str, int]:
        return self._load.answers

    def _register(self) -> None:
        admin = self._place.admin
        model = admin.post("/models", json={"name": KEPT}).raise_for_status().json()["id"]
        admin.put(f"/models/{model}/cache", json={"enabled": True, "ttl_seconds": KEPT_SECONDS}).raise_for_status()
        server = {**led_to(self._server, self._who), "credential": None, "headers": {}}
        admin.post("/mcp-servers", json=server).raise_for_status()
        url = f"http://127.0.0.1:{self.receiver.port}/hook"
        hook = {"name": NAME, "url": url, "events": ["key.created"]}
        admin.post("/webhooks", json=hook).raise_for_status()

    def _again_and_again(self, work: Callable[[], None], pause: float) -> None:
        while not self._stopping.wait(pause):
            with suppress(httpx.HTTPError):
                work()

    def _make_key(self) -> None:
        path = f"http://{self._place.admin_address}/api/v1/tenants/{self._who.tenant_id}/keys"
        httpx.post(path, json={"name": NAME}, headers=self._place.admin.headers, timeout=10, verify=NO_TLS)

    def _export(self) -> None:
        """A page of rows, as a stream."""
        url = f"http://{self._place.admin_address}/api/v1/usage/export"
        asked: dict[str, str | int] = {"schema": "rows", "limit": 500, "tenant_id": self._who.tenant_id}
        headers = self._place.admin.headers
        answer = httpx.get(url, params=asked, headers=headers, timeout=10, verify=NO_TLS)
        self.exports[str(answer.status_code)] += 1
        if answer.is_success:
            ids = [line.partition(",")[0] for line in answer.text.splitlines()[1:]]
            self.exports["rows that are there twice"] += len(ids) - len(set(ids))

    def _back_up(self) -> None:
        """Of what there is, through the lines that are cut."""
        target = self._place.directory / f"backup-{sum(self.backups.values())}"
        command = [sys.executable, "-m", "tollkeeper", "backup", "create", str(target)]
        environment = {**os.environ, **as_environment(self._place.settings)}
        made = subprocess.run(command, env=environment, check=False, capture_output=True, timeout=120)
        self.backups[f"exit {made.returncode}"] += 1
        if made.returncode == 0:
            self._kept_files.append(target)

    def wrong(self) -> list[str]:
        return [*self._wrong_rows(), *self._wrong_events(), *self._wrong_files()]

    def _wrong_rows(self) -> Iterator[str]:
        rows = Counter(row["request_id"] for row in self._place.usage(self._who))
        lost = [name for name, status in self.answers.items() if status == 200 and name not in rows]
        if len(lost) > rows[""]:
            yield f"{len(lost)} answers of the model with a cache are in no row: {lost[:3]}"
        came, counted = len(self._server.came), self._place.rows(CALLED, self._who.tenant_id)[0]["n"]
        if counted < came:
            yield f"{came} calls reached the MCP server, {counted} are in the ledger"

    def _wrong_events(self) -> Iterator[str]:
        (found,) = self._place.rows(COUNTED, self._who.tenant_id, NAME)
        if found["events"] < found["keys"] or found["deliveries"] != found["events"]:
            yield f"keys that were made, and what webhooks are to tell of them: {found}"
        got = {each.id for each in self._got.got}
        untold = [each["event_id"] for each in self._place.rows(DELIVERED) if each["event_id"] not in got]
        if untold:
            yield f"{len(untold)} events count as told and never came: {untold[:3]}"

    def _wrong_files(self) -> Iterator[str]:
        if twice := self.exports["rows that are there twice"]:
            yield f"{twice} rows are twice in an export"
        for path in self._kept_files:
            command = [sys.executable, "-m", "tollkeeper", "backup", "verify", str(path)]
            if subprocess.run(command, check=False, capture_output=True, timeout=120).returncode:
                yield f"{path.name} is no whole backup"

    def __str__(self) -> str:
        statuses = Counter(self.answers.values())
        admitted = Counter(row["admission"] for row in self._place.usage(self._who))
        calls = Counter(status for _, _, status in self._calls.answers)
        told = {"keys told of": len({each.id for each in self._got.got})}
        return (
            f"kept answers {dict(statuses)}, rows {dict(admitted)}, calls {dict(calls)}, {told}, "
            f"exports {dict(self.exports)}, backups {dict(self.backups)}"
        )


@contextmanager
def open_rooms(place: Place, who: Credential) -> Iterator[Rooms]:
    with ExitStack() as stops:
        yield Rooms(place, who, stops)

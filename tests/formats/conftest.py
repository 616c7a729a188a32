"""One Envoy with the chain, less the two calls, in front of a server that sends what a test gives it."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.usage import Usage, usage_of
from tests.accesslog.entries import decision, said
from tests.envoy.chain import WITHOUT_SERVICES, existing_envoy
from tests.envoy.conftest import envoy_with
from tests.formats.wire import Answer, End, Upstream, running
from tests.web import NO_TLS

# What ratelimit estimated of every request here.
INPUT_ESTIMATE, OUTPUT_CAP = 20, 500
AT_ONCE = 16


class Meter:
    """Sends an answer through Envoy, and says what is made of its log line."""

    def __init__(self, client: httpx.Client, log: Path, upstream: Upstream) -> None:
        self._client, self._log, self._upstream = client, log, upstream
        self._read = 0
        self.received = b""  # of the answer before

    def usage(self, answer: Answer, **decided: Any) -> Usage:
        """What the request is charged."""
        return usage_of(self.entry(answer, **decided))

    def entry(self, answer: Answer, **decided: Any) -> LogEntry:
        """`decided` differs from what ratelimit says of an ordinary request."""
        self.received = self._receive(answer)
        return _entry_of(json.loads(self._next_line()), decided)

    def entries(self, answers: Sequence[Answer], **decided: Any) -> list[LogEntry]:
        """Of many requests, several at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._receive, answers, map(str, range(len(answers)))))
        lines = [json.loads(self._next_line()) for _ in answers]
        return [_entry_of(line, decided) for line in sorted(lines, key=lambda line: int(line["request_id"]))]

    def _next_line(self) -> bytes:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with self._log.open("rb") as log:
                log.seek(self._read)
                line = log.readline()
            if line.endswith(b"\n"):
                self._read += len(line)
                return line
            time.sleep(0.005)
        raise AssertionError("the request is not in the log")

    def _receive(self, answer: Answer, request_id: str = "-") -> bytes:
        """Reads the answer to its end, or, if it stalls, until all that was sent is here; then the client leaves."""
        headers = {"x-answer": str(self._upstream.add(answer)), "x-request-id": request_id}
        size, received = sum(map(len, answer.pieces)), bytearray()
        try:
            with self._client.stream("POST", "/v1/x", content=b'{"model":"m","stream":true}', headers=headers) as reply:
                for chunk in reply.iter_raw():
                    received += chunk
                    if answer.end is End.STALLED and len(received) >= size:
                        break
        except httpx.RemoteProtocolError:
            assert answer.end is End.CUT
        return bytes(received)


def _entry_of(line: dict[str, Any], decided: dict[str, Any]) -> LogEntry:
    words = line["ended"].split(" ")
    line["ended"] = " ".join([*words[:-2], "0", words[-1]])  # what is estimated by the time does not belong here
    line["decision"] = said(decision(**{"input_estimate": INPUT_ESTIMATE, "output_cap": OUTPUT_CAP, **decided}))
    found = read_line(json.dumps(line).encode())
    assert isinstance(found, LogEntry)
    return found


@pytest.fixture(scope="session")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meter]:
    directory: Path = tmp_path_factory.mktemp("formats")
    upstream = Upstream()
    with (
        running(upstream) as url,
        envoy_with(existing_envoy(directory, url, left_out=WITHOUT_SERVICES), directory) as envoy_url,
        httpx.Client(verify=NO_TLS, base_url=envoy_url, timeout=30) as client,
    ):
        yield Meter(client, directory / "access.jsonl", upstream)

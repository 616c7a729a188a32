"""What may not run is refused before its body is read, and no tenant makes Envoy hold, or read, more than its share."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import pytest

from ratelimit.tenants.uploads import SMALL
from ratelimit.uploads import SHARE
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.wire import CHUNK_BYTES, JSON, Answer, body_of, chunked, parse, request, send

MEBIBYTE = 1024 * 1024
UNSAID = (*JSON, ("Transfer-Encoding", "chunked"))
LARGE = 31 * MEBIBYTE
SECONDS = 30.0
FAR = 10**9  # tokens: more than any of these bodies costs


def raw(who: Credential, text: bytes) -> bytes:
    return text.replace(b"{credential}", f"Authorization: Bearer {who.secret}".encode(), 1)


def large(size: int, **fields: object) -> bytes:
    return body_of(messages=[{"role": "user", "content": "x" * size}], **fields)


class Upload:
    """A connection that has sent the headers of a large request, and `sent` bytes of its body."""

    def __init__(self, stack: Deployment, who: Credential, size: int = LARGE, sent: int = 0) -> None:
        self.connection = socket.create_connection(stack.envoy_host_port, SECONDS)
        head = request(headers=(*JSON, ("Content-Length", str(size))), length=False)
        self.connection.sendall(raw(who, head))
        if sent:
            self.connection.sendall(b"x" * sent)

    def answer(self) -> Answer:
        """What is said before the rest of the body comes."""
        received = b""
        while part := self.connection.recv(CHUNK_BYTES):
            received += part
        return parse(received)

    def is_answered(self) -> bool:
        self.connection.settimeout(0.3)
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return False


@contextmanager
def uploads(stack: Deployment, who: Credential, number: int, **given: int) -> Iterator[list[Upload]]:
    with ExitStack() as closing:
        made = [Upload(stack, who, **given) for _ in range(number)]
        for each in made:
            closing.callback(each.connection.close)
        yield made


def exhausted(stack: Deployment) -> Credential:
    """A tenant whose hour is used up."""
    who = stack.tenant(tokens_per_minute=FAR)
    limit = {"scope": "tenant", "tenant_id": who.tenant_id, "unit": "requests", "kind": "fixed_window", "amount": 1}
    made = stack.admin.post("/limits", json={"name": f"hour-{who.key_id}", "window_seconds": 3600, **limit})
    assert made.status_code == 201, made.text
    wait_for(lambda: True if [stack.chat(who).status_code for _ in range(2)][1] == 429 else None, "the limit")
    return who


def resident(stack: Deployment) -> int:
    lines = Path(f"/proc/{stack.processes['envoy'].pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) * 1024


def errors_of(answers: list[Answer]) -> Counter[tuple[int, str]]:
    return Counter((each.status, json.loads(each.body)["error"]["message"].partition(".")[0]) for each in answers)


@pytest.mark.alone  # Envoy closes soon after it has refused: the answer must have been read
def test_a_tenant_that_has_nothing_left_makes_envoy_hold_nothing(stack: Deployment) -> None:
    who = exhausted(stack)
    before, seen = resident(stack), len(stack.seen_upstream())
    with uploads(stack, who, 24, sent=MEBIBYTE) as stalled:
        answers = [each.answer() for each in stalled]
        assert {each.status for each in answers} == {429}
        assert "hour-" in answers[0].body.decode()
        assert "retry-after: " in answers[0].head
        assert resident(stack) - before < 24 * 2 * MEBIBYTE  # a connection's buffers, while authz is asked
    assert len(stack.seen_upstream()) == seen
    wait_for(lambda: True if refusals_of(stack, who) > 24 else None, "the refusals")


def refusals_of(stack: Deployment, who: Credential) -> int:
    return sum(row["requests"] for row in stack.usage(who) if row["status"] == 429)


def test_a_tenant_over_its_slots_is_refused_unread(stack: Deployment) -> None:
    who = stack.tenant(tokens_per_minute=FAR, max_in_flight=1)
    with uploads(stack, who, 2, size=100_000) as held:
        assert not any(each.is_answered() for each in held)
        with uploads(stack, who, 6, size=100_000) as more:
            assert errors_of([each.answer() for each in more]) == {
                (429, "Too many requests of this tenant are in flight (limit 1)"): 6
            }
    assert taken_again(stack, who, size=100_000)


def taken_again(stack: Deployment, who: Credential, size: int) -> bool:
    """Once those that were held have gone."""

    def is_read() -> bool | None:
        with uploads(stack, who, 1, size=size) as one:
            return True if not one[0].is_answered() else None

    return wait_for(is_read, "room")


def test_what_one_tenant_makes_envoy_hold_is_bounded(stack: Deployment) -> None:
    who, other = stack.tenant(tokens_per_minute=FAR), stack.tenant(tokens_per_minute=FAR)
    with uploads(stack, who, 2) as held, uploads(stack, other, 1) as others:
        assert not any(each.is_answered() for each in (*held, *others))
        with uploads(stack, who, 20) as more:
            assert errors_of([each.answer() for each in more]) == {
                (429, "Too many large requests of this tenant are being received"): 20
            }
        assert stack.chat(who).status_code == 200  # what is small is read
    assert taken_again(stack, other, LARGE)


def test_who_is_suspended_is_refused_unread(stack: Deployment) -> None:
    who = stack.tenant()
    assert stack.chat(who).status_code == 200
    assert stack.admin.patch(f"/tenants/{who.tenant_id}", json={"status": "suspended"}).status_code == 200
    wait_for(lambda: True if stack.chat(who).status_code == 403 else None, "the suspension")
    with uploads(stack, who, 3) as stalled:
        assert [each.answer().status for each in stalled] == [403] * 3


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (request(body=large(5 * MEBIBYTE)), 200),
        (request(body=chunked(large(3 * MEBIBYTE)), headers=UNSAID, length=False), 200),
        (request(body=chunked(large(5 * MEBIBYTE)), headers=UNSAID, length=False), 413),
        (request("GET", "/v1/models", chunked(b"x" * 5 * MEBIBYTE), UNSAID, length=False), 413),
    ],
    ids=["5 MiB", "3 MiB that are not said", "5 MiB that are not said", "a GET with a body"],
)  # fmt: skip
def test_how_long_a_body_may_be(stack: Deployment, text: bytes, status: int) -> None:
    who = stack.tenant(tokens_per_minute=FAR)
    answer = send(stack.envoy_host_port, raw(who, text))
    assert answer.status == status, answer.body[:300]


def test_a_body_that_is_too_long_is_refused_unread(stack: Deployment) -> None:
    who = stack.tenant(tokens_per_minute=FAR)
    with uploads(stack, who, 1, size=40 * MEBIBYTE) as one:
        answer = one[0].answer()
    assert answer.status == 413
    assert "larger than 32 MiB" in answer.body.decode()


@pytest.mark.alone  # others are answered within Envoy's deadlines while it reads
def test_large_bodies_that_are_repeated_cost_nobody_else_an_answer(stack: Deployment) -> None:
    """Two connections repeat a body that takes long to read."""
    who, other, over = stack.tenant(tokens_per_minute=FAR), stack.tenant(tokens_per_minute=FAR), Event()
    dense = json.dumps({"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}] * 100_000})

    def repeat() -> Counter[int]:
        answers: Counter[int] = Counter()
        text = raw(who, request(body=dense.encode()))
        while not over.is_set():
            answers[send(stack.envoy_host_port, text).status] += 1
        return answers

    with ThreadPoolExecutor(2) as pool:
        flood = [pool.submit(repeat) for _ in range(2)]
        try:
            served = [stack.chat(other).status_code for _ in range(8)]
        finally:
            over.set()
        answers = sum((each.result() for each in flood), Counter[int]())
    assert served == [200] * 8
    assert answers[200]
    assert set(answers) <= {200, 429}


def test_what_one_tenant_makes_envoy_hold_by_small_bodies_is_bounded(stack: Deployment) -> None:
    who, other = stack.tenant(tokens_per_minute=FAR), stack.tenant()
    share = stack.settings.uploads_max_mb * MEBIBYTE // SHARE // SMALL
    with ExitStack() as closing:
        for _ in range(0, share + 100, 50):
            slow = closing.enter_context(uploads(stack, who, 50, size=SMALL, sent=1))
            assert stack.chat(other).status_code == 200  # by then authz has answered all of them
        assert errors_of([slow[-1].answer()]) == {(429, "Too many requests of this tenant are being received"): 1}
        assert stack.chat(who).status_code == 429
    wait_for(lambda: True if stack.chat(who).status_code == 200 else None, "room")

"""Connections to a real management API that send half of something, read nothing, or are too many."""

import contextlib
import select
import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from admin.connections import Connection, Stage
from tests.admin.conftest import TOKEN, Admin, run_admin
from tests.web import WEB

HASTY = 0.3
PATIENT = 60.0
HEAD = f"GET /api/v1/tenants HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
POST = f"POST /api/v1/tenants HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 99\r\n\r\n"
GUESS = POST.replace(TOKEN, "wrong")


class Hasty(Connection):
    """Few, and with no patience."""

    max_connections, max_per_address = 12, 8
    seconds: Mapping[Stage, float] = {**Connection.seconds, Stage.HEAD: HASTY, Stage.EXCHANGE: HASTY}


class Few(Connection):
    max_connections, max_per_address = 12, 8
    seconds: Mapping[Stage, float] = dict.fromkeys(Stage, PATIENT)


@pytest.fixture
def hasty(database_url_sync: str, redis_url: str) -> Iterator[Admin]:
    with run_admin(database_url_sync, redis_url, connection=Hasty) as running:
        yield running


@pytest.fixture
def few(database_url_sync: str, redis_url: str) -> Iterator[Admin]:
    with run_admin(database_url_sync, redis_url, connection=Few) as running:
        yield running


def connect(admin: Admin, source: str = "127.0.0.1") -> socket.socket:
    port = int(admin.url.rsplit(":", 1)[1])
    return socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0))


def rest(client: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    chunks = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


def is_open(client: socket.socket) -> bool:
    ready, _, _ = select.select([client], [], [], 0)
    if not ready:
        return True
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except ConnectionResetError:
        return False


HALVES: list[tuple[str, bytes]] = [
    ("", b""),
    ("GET", b""),
    (HEAD, b""),
    (GUESS, b"HTTP/1.1 401"),
    (GUESS + "{", b"HTTP/1.1 401"),
    (HEAD + "\r\nGET", b"HTTP/1.1 200"),
    (POST + "{", b""),  # by its exchange here; with the usual times by the gate, which answers 408
]


def test_half_of_a_request_is_waited_for_no_longer(hasty: Admin) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(hasty)) for _ in HALVES]
        for client, (sent, _) in zip(clients, HALVES, strict=True):
            client.sendall(sent.encode())
        assert [rest(client)[:12] for client in clients] == [answered for _, answered in HALVES]
    assert hasty.http.get("/health").status_code == 200


def test_half_of_a_body_is_answered_in_words(few: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin.gate.body.BODY_SECONDS", HASTY)  # the real deadline takes ten seconds; all else is real
    with connect(few) as client:
        client.sendall((POST + "{").encode())
        answer = rest(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the body did not arrive" in answer


def test_what_trickles_in_gets_no_more_time(hasty: Admin) -> None:
    with connect(hasty) as client:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while is_open(client):
                assert time.monotonic() < began + 30
                client.sendall(b"x")
                time.sleep(0.02)


def test_an_answer_that_nobody_reads_is_given_up(hasty: Admin) -> None:
    asked = (HEAD.replace("/tenants", "/openapi.json") + "\r\n").encode()
    with connect(hasty) as client:
        client.sendall(asked * 200)  # more than the kernel holds
        ended = select.poll()
        ended.register(client, select.POLLHUP)
        assert ended.poll(30_000), "it is still waited for"


def test_who_waits_longest_makes_room_and_a_token_gets_in(few: Admin) -> None:
    assert few.http.get("/tenants").status_code == 200  # who is known keeps a connection that is idle
    with contextlib.ExitStack() as stack:
        idlers = [stack.enter_context(connect(few)) for _ in range(20)]
        assert few.http.get("/tenants").status_code == 200
        assert WEB.get(f"{few.url}/api/v1/health").status_code == 200
        assert rest(idlers[0]) == b""
        assert [is_open(each) for each in idlers].count(True) < Few.max_per_address
        assert is_open(idlers[-1])


def test_one_address_that_takes_all_leaves_room_for_others(few: Admin) -> None:
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connect(few, "127.0.0.2")) for _ in range(Few.max_per_address)]
        others = [stack.enter_context(connect(few, f"127.0.0.{n}")) for n in range(3, 9)]
        assert rest(crowd[0]) == b""
        assert all(is_open(each) for each in others)
        assert few.http.get("/tenants").status_code == 200


def test_running_requests_of_the_known_are_ended_for_nobody(few: Admin) -> None:
    with contextlib.ExitStack() as stack:
        few.http.close()
        busy = [stack.enter_context(connect(few)) for _ in range(Few.max_per_address)]
        for each in busy:
            each.sendall((POST.replace("content-length", "expect: 100-continue\r\ncontent-length")).encode())
            assert each.recv(100).startswith(b"HTTP/1.1 100")  # it is known, and its body is being read
        one_more = stack.enter_context(connect(few))
        assert rest(one_more).startswith(b"HTTP/1.1 503 ")
        assert all(is_open(each) for each in busy)
        busy[0].sendall(b'{"name":"x"}'.ljust(99))
        assert busy[0].recv(100).startswith(b"HTTP/1.1 201")

"""Queries that could be read in two ways."""

import socket

import httpx
import pytest

from tests.admin.conftest import TOKEN, Admin
from tests.admin.problems import refused
from tests.e2e.wire import parse


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=1&limit=2", "'limit' twice"),
        ("name=a&limit=1&n%61me=b", "'name' twice"),
        ("name=&name=a", "'name' twice"),
        ("name=%ff", "UTF-8"),
        ("%ff=a", "UTF-8"),
        ("&" * 100, "more than 100"),
    ],
)
def test_a_query_that_could_mean_two_things_is_refused(admin: Admin, query: str, said: str) -> None:
    assert said in refused(admin.http.get(f"/tenants?{query}"), 400)["detail"]


def test_a_query_that_means_one_thing_is_read(admin: Admin) -> None:
    assert admin.http.get("/tenants?limit=1&name=%C3%A9").status_code == 200


def test_a_query_of_raw_bytes_is_refused_and_ends_nothing(admin: Admin) -> None:
    url = httpx.URL(str(admin.http.base_url))
    head = f" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    with socket.create_connection((url.host, url.port or 80), 30) as connection:
        connection.sendall(b"GET /api/v1/tenants?name=\xff\xfe" + head)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert parse(answer).status == 400
    assert admin.http.get("/tenants").status_code == 200

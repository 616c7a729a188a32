"""Where requests go: which addresses may be endpoints, and which model an alias stands for."""

from collections import Counter

import pytest

from tenancy.values.endpoint import BadEndpoint, Place, forbidden, parse_endpoint
from tenancy.values.upstream import DEFAULT, Endpoint, Target, Upstream, chosen, wrong_with_endpoints

PAIR = (Target("big", 90), Target("small", 10))


def test_an_alias_is_shared_by_weight() -> None:
    assert Counter(chosen(PAIR, lambda _: True, None, pick) for pick in range(1000)) == {"big": 900, "small": 100}


def test_what_is_not_served_or_not_allowed_is_not_chosen() -> None:
    assert {chosen(PAIR, lambda model: model == "small", None, pick) for pick in range(100)} == {"small"}
    assert {chosen(PAIR, lambda _: True, ["big", "other"], pick) for pick in range(100)} == {"big"}
    assert chosen(PAIR, lambda _: False, None, 7) == ""
    assert chosen(PAIR, lambda _: True, [], 7) == ""


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://m", Place("m", 80, False, "")),
        ("https://api.example.com/v1/", Place("api.example.com", 443, True, "/v1")),
        ("http://[2001:db8::1]:8000", Place("2001:db8::1", 8000, False, "")),
    ],
)
def test_a_url_says_where_to_connect(url: str, place: Place) -> None:
    assert parse_endpoint(url) == place


@pytest.mark.parametrize(
    "url",
    ["", "m:80", "ftp://m", "http://", "http://m:0", "http://m:99999", "http://u@m", "http://m?a", "http://m#a",
     "http://a b", "http://m/a b", "http://127.1", "http://0x7f000001", "http://1.2.3", "http://[fe80::1%25eth0]", "http://m\n"],
)  # fmt: skip
def test_what_is_no_endpoint(url: str) -> None:
    with pytest.raises(BadEndpoint):
        parse_endpoint(url)


def test_where_the_credentials_of_machines_are() -> None:
    hosts = (
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fd00:ec2::254",
        "METADATA.google.internal.",
        "0.0.0.0",
    )
    assert all(map(forbidden, hosts))
    assert not any(map(forbidden, ("127.0.0.1", "10.0.0.1", "::1", "example.com", "metadata.example.com")))
    there = [Endpoint("http://169.254.169.254")]
    assert wrong_with_endpoints(there)
    assert not wrong_with_endpoints(there, link_local=True)


def test_what_another_version_adds_is_left_out_and_what_it_lacks_has_its_default() -> None:
    upstream = Upstream("x", (Endpoint("http://a", 2, 1, "env:A"),), "file:b", timeout_seconds=3)
    assert Upstream.of_row(upstream.row()) == upstream
    assert Upstream.of_row([*upstream.row(), "later"]) == upstream
    assert Upstream.of_row(["x"]) == DEFAULT._replace(name="x")

"""Which URLs and addresses webhooks may have."""

import pytest

from tenancy.values.receiver import Reach, wrong_with_url

ORGANIZATIONS, OPERATORS, ANYWHERE = Reach(), Reach(private=True), Reach(private=True, loopback=True, link_local=True)
CLOUD, MACHINE, INSIDE, NONE = "credentials of a machine", "is this machine", "is not on the Internet", "no address"
# What is said of a webhook of an organization, and of one of the operators.
HOSTS = {
    "93.184.216.34": ("", ""),
    "[2606:2800:220:1::1]": ("", ""),
    "hooks.example.com": ("", ""),
    "10.1.2.3": (INSIDE, ""),
    "192.168.1.1": (INSIDE, ""),
    "100.64.0.1": (INSIDE, ""),
    "[fd00::1]": (INSIDE, ""),
    "[::ffff:10.0.0.1]": (INSIDE, ""),
    "127.0.0.1": (MACHINE, MACHINE),
    "127.8.9.1": (MACHINE, MACHINE),
    "[::1]": (MACHINE, MACHINE),
    "[::ffff:127.0.0.1]": (MACHINE, MACHINE),
    "[64:ff9b::7f00:1]": (MACHINE, MACHINE),
    "[64:ff9b:1::7f00:1]": (MACHINE, MACHINE),
    "[::ffff:0:7f00:1]": (MACHINE, MACHINE),
    "[64:ff9b:1::a00:1]": (INSIDE, ""),
    "[fec0::1]": (INSIDE, ""),
    "[5f00::1]": (INSIDE, ""),
    "[64:ff9b::5db8:d822]": ("", ""),
    "[2002:7f00:1::]": (MACHINE, MACHINE),
    "localhost": (MACHINE, MACHINE),
    "LOCALHOST.": (MACHINE, MACHINE),
    "x.localhost": (MACHINE, MACHINE),
    "169.254.169.254": (CLOUD, CLOUD),
    "[::ffff:169.254.169.254]": (CLOUD, CLOUD),
    "[64:ff9b::a9fe:a9fe]": (CLOUD, CLOUD),
    "[64:ff9b:1::a9fe:a9fe]": (CLOUD, CLOUD),
    "[fe80::1]": (CLOUD, CLOUD),
    "100.100.100.200": (CLOUD, CLOUD),
    "metadata.google.internal": (CLOUD, CLOUD),
    "0.0.0.0": (NONE, NONE),
    "224.0.0.1": (NONE, NONE),
}


@pytest.mark.parametrize("host", HOSTS)
def test_where_a_webhook_may_lead(host: str) -> None:
    for reach, said in zip((ORGANIZATIONS, OPERATORS), HOSTS[host], strict=True):
        wrong = wrong_with_url(f"https://{host}/hook?to=x", reach)
        assert (said in wrong) if said else not wrong, wrong
    assert (HOSTS[host][0] == NONE) == bool(wrong_with_url(f"https://{host}/", ANYWHERE))


@pytest.mark.parametrize(
    "url",
    ["ftp://a.test/", "https://a.test/\nx", "https://u:p@a.test/", "https://2130706433/", "https://a.test/#x", ""],
)
def test_what_is_no_url_of_a_webhook(url: str) -> None:
    assert wrong_with_url(url, ANYWHERE)


def test_a_name_that_is_not_ascii_is_to_be_written_so() -> None:
    assert "Punycode" in wrong_with_url("https://bücher.test/", ANYWHERE)

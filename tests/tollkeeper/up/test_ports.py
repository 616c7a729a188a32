"""Ports that nobody chose."""

import socket

from tollkeeper.up.process import EPHEMERAL_PORTS, free_port


def test_a_free_port_is_none_that_an_outgoing_connection_may_get() -> None:
    first, last = (int(each) for each in EPHEMERAL_PORTS.read_text().split())
    ports = {free_port() for _ in range(20)}
    assert len(ports) > 1
    assert not any(first <= port <= last for port in ports)
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports.pop()))

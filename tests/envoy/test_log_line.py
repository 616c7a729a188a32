"""What a client chooses makes no long lines in Envoy's file log."""

import json
import time

from tests.envoy.chain import Chain

MOST_BYTES = 4096


def test_what_a_client_chooses_is_cut_in_the_log(chain: Chain) -> None:
    mark = f"r{time.monotonic_ns()}-"
    chain.post("{}", "/v1/" + "p" * 30_000, x_request_id=mark + "i" * 30_000)
    chain.post("{}", x_request_id=f"{mark}end")
    chain.entry(f"{mark}end")
    lines = [line for line in chain.log.read_text().splitlines() if mark in line]
    assert len(lines) == 2
    assert max(map(len, lines)) < MOST_BYTES
    assert json.loads(lines[0])["path"] == "/v1/" + "p" * 508

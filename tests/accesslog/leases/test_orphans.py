"""Leases that no log entry ever settled: each gets its row, whatever is away or ends meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from accesslog.file_log.line import read_line
from accesslog.metrics import FILE
from accesslog.row import row_of_orphan
from ratelimit.budgets.keys import leases_key, swept_key
from ratelimit.budgets.port import Orphan
from ratelimit.budgets.scripts import Script
from ratelimit.tenants.estimates.estimate import NOTHING
from ratelimit.tenants.lease import kept_of_one
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog.entries import line
from tests.accesslog.stack import RESERVED, USED, Stack, wait_until


@pytest.fixture
def expired(tmp_path: Path, database_url_sync: str, redis_url: str) -> Iterator[Stack]:
    """Whose leases last for a moment.  Not started."""
    stack = Stack(tmp_path, database_url_sync, redis_url, lease_seconds=0.2)
    yield stack
    stack.close()


def left(stack: Stack) -> tuple[int, int]:
    """How many leases count as in flight, and how many were given to a sweep and are not said to be safe."""
    with redis.Redis.from_url(stack.urls[1]) as client:
        return client.zcard(leases_key("acme")), client.zcard(swept_key("acme"))


def test_an_orphaned_lease_is_charged_as_reserved_until_its_entry_comes(expired: Stack) -> None:
    entries = expired.admit(2)
    expired.start()
    expired.wait_for_rows(2)
    assert {r["usage_source"] for r in expired.rows()} == {"reserved"}
    assert {(r["input_tokens"] + r["output_tokens"]) for r in expired.rows()} == {RESERVED}
    assert expired.used() == 2 * RESERVED
    expired.stream(entries[:1])
    wait_until(lambda: {r["usage_source"] for r in expired.rows()} == {"reserved", "reported"})
    assert expired.metrics.orphans.counts[""] == 2
    wait_until(lambda: expired.used() == RESERVED + USED)  # the budget, too, and once
    again = read_line(line(entries[0]))
    assert again is not None
    expired.restart()
    expired.pipeline.accept(again, FILE)
    wait_until(lambda: expired.metrics.settled.counts["gone"] == 1)
    assert expired.used() == RESERVED + USED
    wait_until(lambda: left(expired) == (0, 0))
    assert expired.metrics.orphans.counts[""] == 0


@pytest.mark.parametrize("said", [("fast", "", ""), ("", "tools/call", "read")])
def test_its_row_says_what_was_asked_for_as_another_would(said: tuple[str, str, str]) -> None:
    """By which alias a model, or which tool of an MCP server."""
    kept = kept_of_one(NOTHING, "", "model", "/path", *said)
    row = row_of_orphan(Orphan("acme", mint_lease_id(1_795_230_000_000), kept))
    assert (row.model, row.alias, row.rpc_method, row.tool) == ("model", *said)


def test_one_that_was_given_in_an_answer_that_was_lost_gets_its_row(expired: Stack) -> None:
    expired.admit(1)
    with redis.Redis.from_url(expired.urls[1]) as client:
        client.script_load(Script.read("orphans").source)  # else the first answer is that it is not known
    expired.redis.lose_answers(to=swept_key("acme").encode())
    expired.start()
    wait_until(lambda: left(expired) == (0, 1))
    assert expired.rows() == []
    expired.redis.restore()
    in_order(expired)


def test_one_whose_row_ends_with_its_process_again_and_again_gets_its_row(expired: Stack) -> None:
    expired.admit(1)
    expired.postgres.cut()
    expired.start(spool_max_bytes=0)
    for _ in range(2):
        wait_until(lambda: expired.gauge("rows_waiting") == 1)
        expired.restart(spool_max_bytes=0)
    wait_until(lambda: expired.gauge("rows_waiting") == 1)
    expired.postgres.restore()
    in_order(expired)


def in_order(stack: Stack) -> None:
    """The row is there, and the budget counts what it says."""
    stack.wait_for_rows(1)
    (row,) = stack.rows()
    assert row["input_tokens"] + row["output_tokens"] == RESERVED == stack.used()
    wait_until(lambda: left(stack) == (0, 0))

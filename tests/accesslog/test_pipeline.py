"""Every request is settled and in the ledger exactly once, whatever is away meanwhile and whichever log brings it."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.metrics import STREAM, AccessLogMetrics
from accesslog.refusals import FEW
from tests.accesslog.entries import CHAT_USAGE, decision, entry, line
from tests.accesslog.stack import ACCOUNT, RESERVED, USED, Stack, checkpoint_offset, wait_until


def spool_is_empty(stack: Stack) -> bool:
    return not list((stack.directory / "spool").glob("*.jsonl"))


def test_an_entry_is_settled_and_in_the_ledger_within_a_second(stack: Stack) -> None:
    stack.stream(stack.admit(3))
    start = time.monotonic()
    stack.assert_each_once()
    assert time.monotonic() - start < 5.0


def test_a_row_holds_every_column_of_the_request(stack: Stack) -> None:
    stack.stream(stack.admit(1))
    stack.assert_each_once()
    found = dict(stack.rows()[0])
    expected = {
        "request_id": "req-1",
        "tenant_id": "acme",
        "key_id": "key_1",
        "user_id": "ann",
        "end_user_id": "",
        "model": "mock-model",
        "admission": "fast",
        "reserved_tokens": 100,
        "status": 200,
        "denied_by": "",
        "input_tokens": 12,
        "output_tokens": 30,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "queue_ms": 0,
        "usage_source": "reported",
        "streamed": False,
        "aborted": False,
        "method": "POST",
        "total_ms": 45,
        "path": "/v1/chat/completions",
        "ttft_ms": 12,
        "bytes_in": 180,
        "bytes_out": 640,
    }
    assert {name: found[name] for name in expected} == expected


def test_both_logs_may_bring_every_entry_many_times_in_any_order(stack: Stack) -> None:
    entries = stack.admit(300)
    stack.log(entries[:200])
    shuffled = entries[100:] * 3
    random.Random(1).shuffle(shuffled)
    stack.stream(shuffled)
    stack.log(entries[100:])
    stack.assert_each_once()
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


@pytest.mark.parametrize(
    ("status", "why", "denied_by"),
    [
        (429, {"limit": "tenant:tokens:60s"}, "tenant:tokens:60s"),
        (404, {"limit": "", "reason": "model_not_found"}, "model_not_found"),
        (404, {"limit": ""}, ""),  # as the version before had it
    ],
)
def test_a_refusal_is_a_row_and_settles_nothing(stack: Stack, status: int, why: dict[str, str], denied_by: str) -> None:
    refused = decision(admission="refused", denied=str(status), reserved_tokens=0, **why)
    fields = entry(refused, None, status=status)
    stack.stream([fields])
    stack.log([fields])
    stack.wait_for_rows(1)
    found = stack.rows()[0]
    assert (found["admission"], found["status"], found["denied_by"], found["usage_source"]) == (
        *("refused", status, denied_by, "none"),
    )
    assert stack.used() == 0
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


def test_a_flood_of_refusals_is_a_few_rows(stack: Stack) -> None:
    """600 of one key and 3 of another: by both logs, and once more by a process that has seen none of it."""
    flood = [refusal() for _ in range(600)] + [refusal(key_id="key_2") for _ in range(3)]
    stack.stream(flood[:400])
    stack.log(flood)
    stack.stream(flood[300:])
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)
    (stack.directory / "checkpoint.json").unlink()
    stack.restart()
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)
    rows = stack.rows()
    assert sum(row["requests"] for row in rows if row["key_id"] == "key_2") == 3
    assert FEW < len(rows) < 3 * FEW + 3
    assert sum(row["requests"] for row in rows if row["key_id"] == "key_1") >= 600


def refusal(**changes: object) -> dict[str, Any]:
    said = decision(admission="refused", denied="429", reserved_tokens=0, limit="tenant:tokens:60s", **changes)
    return entry(said, None, status=429)


@pytest.mark.parametrize("admission", ["local", "unmetered"])
def test_a_request_without_a_lease_is_charged_once(stack: Stack, admission: str) -> None:
    fields = entry(decision(admission=admission, reserved_tokens=0, limits=ACCOUNT.rule_set.charges), CHAT_USAGE)
    stack.stream([fields])
    wait_until(lambda: stack.used() == USED)
    stack.restart()  # forgets what it has seen
    stack.stream([fields])
    stack.log([fields])
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)
    assert stack.used() == USED
    assert len(stack.rows()) == 1


def test_an_entry_of_a_request_never_decided_is_passed_over(stack: Stack) -> None:
    stack.log([entry(None, None, status=401)])
    stack.stream(stack.admit(1))
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)
    stack.assert_each_once()
    assert stack.metrics.no_decision.counts[""] == 1


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_rows_wait_on_disk_while_postgres_is_away(stack: Stack, how: str) -> None:
    stack.stream(stack.admit(20))
    stack.wait_for_rows(20)
    getattr(stack.postgres, how)()
    for _ in range(10):
        stack.stream(stack.admit(50))
        time.sleep(0.05)
    wait_until(lambda: stack.metrics.spooled.counts[""] >= 400)
    assert stack.gauge("ledger_lag_seconds") > 0
    wait_until(lambda: stack.used() == USED * 520)  # budgets do not wait for Postgres
    stack.postgres.restore()
    stack.assert_each_once()
    wait_until(lambda: spool_is_empty(stack))


def test_a_restart_while_postgres_is_away_finds_the_spool(stack: Stack) -> None:
    stack.postgres.cut()
    stack.stream(stack.admit(100))
    stack.restart()
    assert not spool_is_empty(stack)
    stack.stream(stack.admit(10))
    stack.postgres.restore()
    stack.assert_each_once()


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_settlements_wait_while_redis_is_away(stack: Stack, how: str) -> None:
    getattr(stack.redis, how)()
    stack.stream(stack.admit(600))
    stack.wait_for_rows(600)  # the ledger does not wait for Redis
    assert stack.used() == RESERVED * 600
    stack.redis.restore()
    stack.assert_each_once()


def test_both_stores_away_and_back_under_load(stack: Stack) -> None:
    for turn, proxy in enumerate([stack.redis, stack.postgres, stack.redis, stack.postgres] * 2):
        (proxy.cut, proxy.restore, proxy.freeze, proxy.restore)[turn // 2]()
        for _ in range(5):
            entries = stack.admit(40)
            stack.stream(entries)
            stack.log(entries)
            time.sleep(0.05)
    stack.redis.restore()
    stack.postgres.restore()
    stack.assert_each_once()
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


def test_what_has_no_room_on_disk_waits_in_memory(tmp_path: Path, stack: Stack) -> None:
    pipeline = stack.restart(spool_max_bytes=1, spool_dir=tmp_path / "small", log_file=None, max_rows=400)
    stack.postgres.cut()
    stack.stream(stack.admit(250))
    wait_until(lambda: stack.metrics.ledger_errors.counts[""] > 0)
    assert pipeline.has_room
    stack.stream(stack.admit(90))
    wait_until(lambda: stack.gauge("rows_waiting") >= 300)
    assert not pipeline.has_room  # with what may run now there is: so nothing new is to begin
    assert stack.metrics.dropped.counts["rows"] == 0
    stack.postgres.restore()
    stack.assert_each_once()
    wait_until(lambda: pipeline.has_room)


def test_a_hostile_request_does_not_hold_up_the_others(stack: Stack) -> None:
    entries = stack.admit(3)
    bad = entry(decision(model="a\0b", end_user_id="x" * 10**6), CHAT_USAGE, path="/\0\udfff", request_id="\0")
    stack.stream([entries[0], bad, *entries[1:]])
    stack.log([bad, *entries])
    stack.wait_for_rows(4)
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


@pytest.mark.parametrize("log", ["stream", "file"])
def test_what_was_begun_ends_with_a_request_whose_decision_never_arrived(stack: Stack, log: str) -> None:
    began: list[str] = []
    stack.restart(undecided=began.append)
    (fields,) = stack.admit(1)
    stack.admitted.clear()
    lease_id = fields["ratelimit"]["lease_id"]
    fields |= {"ratelimit": None, "begun": lease_id, "tenant_id": "acme", "status": 0, "response_flags": "DC"}
    assert stack.used() == RESERVED
    bring = stack.stream if log == "stream" else stack.log
    bring([fields])
    wait_until(lambda: stack.used() == 0)
    bring([fields])
    (after,) = stack.admit(1)
    bring([after])
    stack.assert_each_once()
    assert set(began) == {lease_id}
    if log == "file":
        wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


def test_a_request_that_ratelimit_knows_by_two_ids_ends_both(stack: Stack) -> None:
    first, second = stack.admit(2)
    del stack.admitted[0]
    stack.stream([{**second, "begun": first["ratelimit"]["lease_id"], "tenant_id": "acme"}])
    stack.assert_each_once()


def test_a_row_that_the_ledger_rejects_is_left_out_alone(stack: Stack) -> None:
    found = [read_line(line(fields)) for fields in stack.admit(9)]
    poisoned = read_line(line(entry(decision(), CHAT_USAGE)))
    assert isinstance(poisoned, LogEntry)
    for each in [*found[:4], replace(poisoned, total_ms=2**70), *found[4:]]:
        assert each is not None
        stack.pipeline.accept(each, STREAM)
    stack.assert_each_once()
    assert stack.metrics.rejected.counts[""] == 1


def test_every_metric_can_be_scraped(stack: Stack) -> None:
    stack.stream(stack.admit(1))
    stack.assert_each_once()
    names = {family.name for member in stack.metrics.members() for family in member.collect()}
    assert {"tollkeeper_accesslog_settlements", "tollkeeper_accesslog_ledger_lag_seconds"} <= names
    assert len(names) == len(stack.metrics.members())


def test_metrics_without_a_pipeline_are_whole() -> None:
    assert AccessLogMetrics().members()

"""Responses in the background and batches: charged once, when somebody reads that they are finished."""

from typing import Any

import pytest

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.jobs.notes import dump_read, dump_row, load_read, load_row
from accesslog.jobs.seen import Begun, Read, seen_of
from accesslog.usage import Usage
from ledger.row import UsageRow, UsageSource
from ratelimit.budgets.jobs import Known
from ratelimit.tenants.estimates.estimate import Estimate
from tests.accesslog.entries import decision, entry, line, row
from tests.accesslog.stack import ACCOUNT, RESERVED, Stack, wait_until
from tests.ratelimit.stores import reservation

USED = "usage.input_tokens=900 usage.output_tokens=4100"
ALL = 5000
RESPONSE, BATCH, RESULTS = "/v1/responses", "/v1/batches", "/v1/messages/batches/b1/results"
STORED = {"inference": False, "kind": "stored", "reserved_tokens": 0, "input_estimate": 0, "output_cap": 0, "model": ""}


def answer(status: str, name: str = "r1", usage: str = "", **more: str) -> dict[str, Any]:
    return {"usage": usage, "ended": "done", "answer_id": name, "answer_status": status, **more}


def admitted(
    stack: Stack, tokens: int, decided: dict[str, Any], usage: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    made = decision(**decided)
    stack._direct.reserve([reservation(ACCOUNT, Estimate(tokens), str(made["lease_id"]))])
    return entry(made, usage, **fields)


def begins(stack: Stack, name: str = "r1", **decided: Any) -> dict[str, Any]:
    usage = answer("queued", name) | {"background": "true"}
    return admitted(stack, RESERVED, decided, usage, path=RESPONSE)


def begins_batch(stack: Stack, name: str = "b1", **fields: Any) -> dict[str, Any]:
    decided = {**STORED, "kind": "batches"}
    return admitted(stack, 0, decided, answer("validating", name), **{"path": BATCH, **fields})


def reads(stack: Stack, usage: dict[str, Any], path: str, **fields: Any) -> dict[str, Any]:
    kind = "reads" if "/files/" in path else "stored"
    return admitted(stack, 0, {**STORED, "kind": kind}, usage, **{"path": path, "method": "GET", **fields})


def job_row(stack: Stack) -> Any:
    return next((found for found in stack.rows() if found["method"] == "POST" and "cancel" not in found["path"]), None)


def is_charged(stack: Stack, tokens: int, source: str = "reported") -> bool:
    found = job_row(stack)
    if found is None or found["usage_source"] != source:
        return False
    return bool(found["input_tokens"] + found["output_tokens"] == tokens == stack.used())


def test_a_response_in_the_background_is_charged_once_for_all_who_read_it(stack: Stack) -> None:
    done = answer("completed", usage=USED)
    stack.stream([begins(stack)])
    wait_until(lambda: is_charged(stack, RESERVED, "reserved"))
    waiting = answer("in_progress")
    stack.stream([reads(stack, waiting, f"{RESPONSE}/r1"), reads(stack, waiting, f"{RESPONSE}/r1")])
    stack.wait_for_rows(3)
    assert is_charged(stack, RESERVED, "reserved")
    polls = [reads(stack, done, f"{RESPONSE}/r1") for _ in range(3)]
    resumed = reads(stack, done, f"{RESPONSE}/r1", content_type="text/event-stream")
    cancelled = reads(stack, done, f"{RESPONSE}/r1/cancel", method="POST")
    stack.stream([*polls, resumed, cancelled])
    stack.wait_for_rows(8)
    wait_until(lambda: is_charged(stack, ALL))
    assert [found["output_tokens"] for found in stack.rows()].count(4100) == 1
    assert {found["usage_source"] for found in stack.rows()} == {"reported", "none"}


def test_a_batch_is_charged_once_when_it_is_finished(stack: Stack) -> None:
    stack.stream([begins_batch(stack)])
    polls = [answer("validating", "b1"), answer("in_progress", "b1"), answer("finalizing", "b1")]
    done = answer("completed", "b1", USED, answer_file="file-1", answer_model="gpt-5.4")
    stack.stream([reads(stack, usage, f"{BATCH}/b1") for usage in (*polls, done, done)])
    results = answer("", "batch_req_1", USED, answer_model="gpt-5.4")
    stack.stream([reads(stack, results, "/v1/files/file-1/content")])
    stack.wait_for_rows(7)
    wait_until(lambda: is_charged(stack, ALL))
    assert job_row(stack)["model"] == "gpt-5.4"
    assert stack.metrics.jobs.counts == {"held": 1, "held_again": 0, "not_held": 0, "more": 0, "over": 1}


def test_results_that_were_heard_of_before_the_batch_that_names_them(stack: Stack) -> None:
    stack.stream([begins_batch(stack)])
    stack.stream([reads(stack, {"usage": USED, "answer_model": "m"}, "/v1/files/file-1/content")])
    stack.wait_for_rows(2)
    stack.stream([reads(stack, answer("SUCCESS", "b1", answer_file="file-1"), "/v1/batch/jobs/b1") for _ in range(2)])
    stack.wait_for_rows(4)
    wait_until(lambda: is_charged(stack, ALL))


def test_a_batch_without_usage_is_charged_by_its_results(stack: Stack) -> None:
    stack.stream([begins_batch(stack)])
    done = answer("completed", "b1", answer_file="file-1")
    results = {"usage": USED, "answer_model": "m"}
    stack.stream([reads(stack, done, f"{BATCH}/b1")])
    stack.stream([reads(stack, results, "/v1/files/file-1/content") for _ in range(2)])
    stack.wait_for_rows(4)
    wait_until(lambda: is_charged(stack, ALL))


def test_results_that_are_left_are_charged_as_far_as_they_were_seen(stack: Stack) -> None:
    stack.stream([begins_batch(stack, path="/v1/messages/batches")])
    half = {"usage": "usage.input_tokens=500 usage.output_tokens=1500"}
    stack.stream([reads(stack, half, RESULTS, response_flags="DC")])
    wait_until(lambda: is_charged(stack, 2000, "reserved"))
    stack.stream([reads(stack, {"usage": "usage.input_tokens=1"}, RESULTS, status=206)])
    stack.stream([reads(stack, {"usage": USED}, RESULTS) for _ in range(2)])
    stack.wait_for_rows(5)
    wait_until(lambda: is_charged(stack, ALL))


def test_both_logs_and_several_sidecars_make_one_charge(stack: Stack) -> None:
    entries = [begins(stack), reads(stack, answer("completed", usage=USED), f"{RESPONSE}/r1")]
    stack.stream(entries)
    wait_until(lambda: is_charged(stack, ALL))
    stack.restart()  # knows nothing of what was done before
    stack.log(entries)
    stack.stream(entries)
    stack.stream([reads(stack, answer("completed", usage=USED), f"{RESPONSE}/r1")])
    stack.wait_for_rows(3)
    assert is_charged(stack, ALL)


def test_the_end_may_be_heard_of_before_the_begin(stack: Stack) -> None:
    first = begins(stack)
    stack.stream([reads(stack, answer("completed", usage=USED), f"{RESPONSE}/r1")])
    stack.wait_for_rows(1)
    assert stack.used() == RESERVED
    stack.stream([first])
    stack.wait_for_rows(2)
    wait_until(lambda: is_charged(stack, ALL))


def test_another_tenant_charges_and_frees_nothing(stack: Stack) -> None:
    stack.stream([begins(stack)])
    stack.stream(
        [reads(stack, answer("failed"), f"{RESPONSE}/r1") | {"ratelimit": decision(**STORED, tenant_id="eve")}]
    )
    stack.wait_for_rows(2)
    assert is_charged(stack, RESERVED, "reserved")


def test_one_that_failed_costs_nothing(stack: Stack) -> None:
    stack.stream([begins(stack), reads(stack, answer("failed"), f"{RESPONSE}/r1")])
    stack.wait_for_rows(2)
    wait_until(lambda: is_charged(stack, 0, "none"))


def test_jobs_wait_for_redis(stack: Stack) -> None:
    entries = [begins(stack), reads(stack, answer("completed", usage=USED), f"{RESPONSE}/r1")]
    stack.redis.cut()
    stack.stream(entries)
    wait_until(lambda: stack.metrics.settle_errors.counts[""] > 0)
    stack.redis.restore()
    stack.wait_for_rows(2)
    wait_until(lambda: is_charged(stack, ALL))


def test_what_finds_no_redis_until_the_end_is_left_to_the_file_log(stack: Stack) -> None:
    entries = [begins(stack), reads(stack, answer("completed", usage=USED), f"{RESPONSE}/r1")]
    stack.log(entries)
    stack.redis.cut()
    stack.stream(entries)
    wait_until(lambda: stack.metrics.settle_errors.counts[""] > 0)
    stack.pipeline.close(timeout=2.0)
    stack.redis.restore()
    stack.start()
    stack.wait_for_rows(2)
    wait_until(lambda: is_charged(stack, ALL))


def seen(usage: dict[str, Any], decided: dict[str, Any] = STORED, **fields: Any) -> Begun | Read | None:
    found = read_line(line(entry(decision(**decided), usage, **{"method": "GET", **fields})))
    assert isinstance(found, LogEntry)
    return seen_of(found)


DONE = answer("completed", usage=USED)
NOTHING_SEEN = {
    "a chat": ({"usage": USED, "ended": "done"}, {}, {}),
    "a response": (DONE, {}, {"path": RESPONSE}),
    "the same words in another document": (DONE, STORED, {"path": "/v1/conversations/r1"}),
    "an uploaded file that looks like one": (DONE, {**STORED, "kind": "reads"}, {"path": "/v1/files/f1"}),
    "another's name": (DONE, STORED, {"path": f"{RESPONSE}/r2"}),
    "more behind the name": (DONE, STORED, {"path": f"{RESPONSE}/r1/input_items"}),
    "a failure": (DONE, STORED, {"path": f"{RESPONSE}/r1", "status": 404}),
    "not finished": (answer("in_progress", usage=USED), STORED, {"path": f"{RESPONSE}/r1"}),
    "finished, and no word of its use": (answer("cancelled"), STORED, {"path": f"{RESPONSE}/r1"}),
    "a batch of Anthropic's that ended": (answer("ended", "b1"), STORED, {"path": "/v1/messages/batches/b1"}),
    "a file without usage": ({"usage": "x.y=1"}, {**STORED, "kind": "reads"}, {"path": "/v1/files/f1/content"}),
    "a refused read": (DONE, {**STORED, "admission": "refused", "denied": "429"}, {"path": f"{RESPONSE}/r1"}),
    "a batch that failed at once": (answer("failed", "b1"), {**STORED, "kind": "batches"}, {"path": BATCH}),
    "too much": (answer("completed", usage=f"usage.input_tokens={10**12}"), STORED, {"path": f"{RESPONSE}/r1"}),
}  # fmt: skip


@pytest.mark.parametrize(("usage", "decided", "fields"), NOTHING_SEEN.values(), ids=NOTHING_SEEN.keys())
def test_what_speaks_of_no_job(usage: dict[str, Any], decided: dict[str, Any], fields: dict[str, Any]) -> None:
    assert seen(usage, decided, **fields) is None


def test_a_stream_that_goes_on_when_the_client_left_has_begun_a_job() -> None:
    usage = answer("in_progress") | {"background": "true", "ended": "", "events": 3}
    found = seen(usage, {}, method="POST", path=RESPONSE, content_type="text/event-stream", response_flags="DC")
    assert found == Begun("r1")


@pytest.mark.parametrize(("flags", "known"), [("-", Known.OVER), ("DC", Known.MORE)])
def test_results_within_a_batch_may_be_left_half_read(flags: str, known: Known) -> None:
    found = seen(answer("SUCCESS", usage=USED), STORED, path="/v1/batch/jobs/r1", response_flags=flags)
    assert isinstance(found, Read)
    assert found.known is known


def test_notes_of_another_version_are_read() -> None:
    made = row()
    text = dump_row(made).replace('{"id"', '{"new":[1],"id"')
    assert load_row(text) == made
    assert load_row('{"id":"' + made.id + '","tenant_id":"a"}') is None
    assert load_row("[") is None
    read = Read("r1", Known.OVER, Usage(1, 2, 0, 0, UsageSource.REPORTED), "file-1", "m")
    assert load_read(dump_read(read, "by").replace('{"name"', '{"new":1,"name"')) == (read, "by")
    assert load_read("{}") is None
    assert set(UsageRow._fields) >= {"id", "ts"}

"""What the port promises of jobs, held against each of its implementations; and what only a real Redis can show."""

import time
from functools import partial

import pytest
import redis

from ratelimit.budgets import jobs_redis
from ratelimit.budgets.jobs import Found, Hold, Known, Report
from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.port import Admitted, BudgetsLost, Refused, Settled
from ratelimit.budgets.rule import Used
from ratelimit.tenants.account import Account
from store.redis import open_redis
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tests.ratelimit.budgets.asking import reserve, settle, sweep
from tests.ratelimit.stores import BEGIN_MS, Store, account, at_test_clock, redis_store, requests, tokens

HOUR_MS = 3_600_000
HOURLY = Limit(Scope.TENANT, Unit.TOKENS, 1000, 3600, id="lim_1", label="hourly", kind=Kind.FIXED)
SLIDING = Limit(Scope.TENANT, Unit.TOKENS, 1000, 3600, id="lim_2", label="sliding", kind=Kind.SLIDING)
OF = account(tokens(1000), requests(9))


def hold(lease_id: str = "a", name: str = "r1", owner: str = "acme", used: int = 0) -> Hold:
    return Hold(owner, name, lease_id, f"notes of {lease_id}", Used(0, used))


def report(used: int, by: str = "reader", known: Known = Known.OVER, name: str = "r1", owner: str = "acme") -> Report:
    return Report(owner, name, by, known, Used(0, used), text=f"{by} saw {used}")


def begun(store: Store, cost: int = 100, lease_id: str = "a", name: str = "r1", of: Account = OF) -> None:
    assert isinstance(reserve(store, of, cost, lease_id), Admitted)
    assert store.jobs.hold(hold(lease_id, name)) == ""


def test_a_job_keeps_its_reservation_and_no_slot(store: Store) -> None:
    of = account(tokens(1000), max_in_flight=1)
    reserve(store, of, 100, "a")
    assert isinstance(reserve(store, of, 1), Refused)
    assert store.jobs.hold(hold()) == ""
    assert store.peek(of) == [900]
    assert isinstance(reserve(store, of, 1), Admitted)


def test_a_job_is_no_orphan_and_its_lease_settles_no_more(store: Store) -> None:
    begun(store)
    assert settle(store, "a", 5) is Settled.GONE
    store.advance(3 * HOUR_MS)
    assert sweep(store) == []


@pytest.mark.parametrize("used", [0, 30, 100, 450])
def test_a_job_is_charged_once_for_all_who_read_it(store: Store, used: int) -> None:
    begun(store)
    assert store.jobs.report(report(used)) == "notes of a"
    assert store.peek(OF) == [1000 - used, 8]
    assert store.jobs.report(report(used, by="another")) is None
    assert store.jobs.report(report(999, by="another")) is None
    assert store.peek(OF) == [1000 - used, 8]


def test_the_same_entry_read_again_gives_the_same(store: Store) -> None:
    begun(store)
    assert store.jobs.hold(hold()) == ""
    for _ in range(2):
        assert store.jobs.report(report(30)) == "notes of a"
    assert store.jobs.hold(hold()) == ""
    assert store.peek(OF) == [970, 8]


def test_another_owner_charges_and_frees_nothing(store: Store) -> None:
    begun(store)
    assert store.jobs.report(report(1, owner="eve")) is None
    assert store.peek(OF) == [900, 8]
    assert store.jobs.report(report(30)) == "notes of a"
    assert store.peek(OF) == [970, 8]


def test_a_name_is_one_job(store: Store) -> None:
    begun(store)
    reserve(store, OF, 50, "b")
    assert store.jobs.hold(hold("b")) is None
    assert settle(store, "b", 10) is Settled.SETTLED
    assert store.peek(OF) == [890, 7]


def test_what_is_settled_is_not_held(store: Store) -> None:
    reserve(store, OF, 100, "a")
    settle(store, "a", 20)
    assert store.jobs.hold(hold()) is None
    assert store.jobs.report(report(30)) is None
    assert store.peek(OF) == [980, 8]


def test_a_report_that_comes_first_is_told_to_who_holds_the_job(store: Store) -> None:
    reserve(store, OF, 100, "a")
    assert store.jobs.report(report(30)) is None
    assert store.peek(OF) == [900, 8]
    for _ in range(2):
        assert store.jobs.hold(hold()) == "reader saw 30"
    assert store.jobs.report(report(30)) == "notes of a"
    assert store.peek(OF) == [970, 8]


def test_what_is_seen_of_results_only_grows_until_all_is_seen(store: Store) -> None:
    begun(store, cost=0)
    assert store.jobs.report(report(40, "one", Known.MORE)) == "notes of a"
    assert store.jobs.report(report(30, "two", Known.MORE)) is None
    assert store.peek(OF) == [960, 8]
    assert store.jobs.report(report(60, "three", Known.MORE)) == "notes of a"
    assert store.peek(OF) == [940, 8]
    assert store.jobs.report(report(55, "four")) == "notes of a"
    assert store.jobs.report(report(90, "five", Known.MORE)) is None
    assert store.peek(OF) == [945, 8]


def test_a_job_is_known_by_another_name_too(store: Store) -> None:
    begun(store, cost=0)
    assert store.jobs.find("acme", "r1", "file-1") == Found("notes of a")
    assert store.jobs.report(report(70, name="file-1", owner="eve")) is None
    assert store.jobs.report(report(70, name="file-1")) == "notes of a"
    assert store.jobs.report(report(70, by="late")) is None
    assert store.peek(OF) == [930, 8]


def test_what_was_reported_under_another_name_before_that_was_known_is_told(store: Store) -> None:
    begun(store, cost=0)
    assert store.jobs.find("acme", "r2") is None
    assert store.jobs.report(report(70, name="file-1")) is None
    for _ in range(2):
        assert store.jobs.find("acme", "r1", "file-1") == Found("notes of a", "reader saw 70")
    assert store.jobs.find("acme", "file-1") == store.jobs.find("acme", "r1") == Found("notes of a")
    assert store.jobs.report(report(70, name="file-1")) == "notes of a"
    assert store.peek(OF) == [930, 8]


def test_one_that_was_admitted_without_a_lease_is_charged_all(store: Store) -> None:
    for _ in range(2):
        assert store.jobs.hold(hold(used=100)._replace(rules=OF.rule_set.rules)) == ""
        assert store.peek(OF) == [900, 8]
    assert store.jobs.report(report(30)) == "notes of a"
    assert store.peek(OF) == [970, 8]


def test_what_was_used_beyond_the_reservation_is_charged_when_it_begins(store: Store) -> None:
    reserve(store, OF, 100, "a")
    assert store.jobs.hold(hold(used=130)) == ""
    assert store.peek(OF) == [870, 8]
    store.jobs.report(report(30))
    assert store.peek(OF) == [970, 8]


def test_refunds_go_to_the_window_of_the_reservation_and_charges_to_the_present_one(store: Store) -> None:
    of = account(HOURLY)
    for lease_id, name in (("a", "r1"), ("b", "r2")):
        reserve(store, of, 100, lease_id)
        store.jobs.hold(hold(lease_id, name))
    store.advance(2 * HOUR_MS)
    reserve(store, of, 500)
    store.jobs.report(report(10))
    assert store.peek(of) == [500]
    store.jobs.report(report(130, name="r2"))
    assert store.peek(of) == [470]


def test_what_slides_is_charged_where_it_was_reserved_while_that_counts(store: Store) -> None:
    of, like = account(SLIDING), account(SLIDING, tenant_id="like")
    begun(store, 100, of=of)
    reserve(store, like, 300)
    store.advance(HOUR_MS * 3 // 2)
    assert store.jobs.report(report(300)) == "notes of a"
    assert store.peek(of) == store.peek(like)


@pytest.fixture
def real(redis_url: str) -> Store:
    return redis_store(redis_url)


def test_an_owner_has_so_many_jobs(real: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_redis, "JOBS_MAX", 2)  # the real bound takes thousands of jobs to reach
    begun(real, 10, "a", "r1")
    begun(real, 10, "b", "r2")
    reserve(real, OF, 10, "c")
    assert real.jobs.hold(hold("c", "r3")) is None
    assert settle(real, "c", 10) is Settled.SETTLED


def test_early_reports_are_bounded(real: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_redis, "EARLY_MAX", 2)  # as above
    for name in ("r1", "r2", "r3"):
        real.jobs.report(report(5, name=name))
    found = []
    for lease_id, name in (("a", "r1"), ("b", "r2"), ("c", "r3")):
        reserve(real, OF, 10, lease_id)
        found.append(real.jobs.hold(hold(lease_id, name)))
    assert found == ["reader saw 5", "reader saw 5", ""]


def test_a_job_that_nobody_reads_is_forgotten(redis_url: str) -> None:
    store = redis_store(redis_url)
    jobs = RedisJobs(partial(open_redis, redis_url, timeout=1.0), 0.05)
    reserve(store, OF, 100, "a")
    jobs.hold(hold())
    time.sleep(0.2)
    with redis.Redis.from_url(redis_url) as client:
        assert list(client.scan_iter("tollkeeper:job*")) == []
    assert jobs.report(report(30)) is None
    assert store.peek(OF) == [900, 8]


@pytest.mark.parametrize("name", ["{x}", "a" * 5000, "", "\x00:}{", "é"])
def test_whatever_a_job_is_called(real: Store, name: str) -> None:
    reserve(real, OF, 100, "a")
    assert real.jobs.hold(hold("a", name)) == ""
    assert real.jobs.report(report(30, name=name)) == "notes of a"
    assert real.peek(OF) == [970, 8]


ASKED = "0198c0d0-0000-7000-8000-000000000000"  # in August 2025


def test_a_store_that_lost_its_budgets_decides_nothing_of_jobs(real: Store, redis_url: str) -> None:
    jobs = RedisJobs(partial(open_redis, redis_url, timeout=1.0), 60.0, epoch="test:epoch")
    reserve(real, OF, 100, "a")
    for ask in (partial(jobs.hold, hold()), partial(jobs.report, report(30))):
        with pytest.raises(BudgetsLost):
            ask()
    assert settle(real, "a", 20) is Settled.SETTLED
    with redis.Redis.from_url(redis_url) as client:
        assert list(client.scan_iter("tollkeeper:job*")) == []
    jobs.close()


def test_what_was_asked_before_the_store_was_restored_is_charged_by_the_ledger(real: Store, redis_url: str) -> None:
    """As it is for requests that are settled without a lease; the rest of its use is charged to the job."""
    with redis.Redis.from_url(redis_url) as client:
        client.set("test:epoch", BEGIN_MS)
    jobs = RedisJobs(partial(open_redis, redis_url, timeout=1.0), 60.0, epoch="test:epoch")
    jobs._hold, jobs._report = at_test_clock(jobs._hold), at_test_clock(jobs._report)
    assert jobs.hold(hold(ASKED, used=100)._replace(rules=OF.rule_set.rules)) == ""
    assert real.peek(OF) == [1000, 9]
    assert jobs.report(report(130)) == f"notes of {ASKED}"
    assert real.peek(OF) == [970, 9]
    jobs.close()

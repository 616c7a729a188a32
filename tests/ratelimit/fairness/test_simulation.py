"""Replays of traces: what each policy makes of them."""

from pathlib import Path

import pytest

from ratelimit.fairness.floor import Terms
from ratelimit.fairness.service import service_of
from ratelimit.fairness.simulation.measure import Measured, jain, measure, pour
from ratelimit.fairness.simulation.policy import Tenant, policies
from ratelimit.fairness.simulation.run import replay
from ratelimit.fairness.simulation.server import FOREVER, Server
from ratelimit.fairness.simulation.trace import SYNTHETIC, Request, UnreadableTrace, bursts, flood, read, steady

SECONDS = 120


def measured(policy: str, trace: list[Request], slots: int = 20, **tenants: Tenant) -> Measured:
    known = {request.tenant: Tenant() for request in trace} | tenants
    done = replay(trace, policies(slots, Terms(), known)[policy](), Server())
    assert len(done) == len(trace)
    return measure(done, known, SECONDS)


def service(found: Measured, tenant: str) -> float:
    return sum(found.tenants[tenant].served[10:])


def test_ten_times_longer_answers_get_as_many_tokens_and_a_weight_its_part() -> None:
    trace = steady(SECONDS, 1)
    even = measured("fair", trace)
    assert service(even, "long") == pytest.approx(service(even, "short"), rel=0.08)
    weighted = measured("fair", trace, long=Tenant(weight=300))
    assert service(weighted, "long") == pytest.approx(3 * service(weighted, "short"), rel=0.08)


def test_a_flood_takes_what_others_leave_and_their_wait_stays_short() -> None:
    trace = flood(SECONDS, 1)
    fair, first_come, caps = (measured(policy, trace) for policy in ("fair", "first-come", "caps"))
    for quiet in ("quiet", "small"):
        assert fair.tenants[quiet].refused == 0
        assert fair.tenants[quiet].wait(0.95) < 300 * 1.5 / 50  # the time that the longest request runs
        assert first_come.tenants[quiet].refused > first_come.tenants[quiet].asked / 3
    assert sum(service(caps, each) for each in caps.tenants) < 0.7 * sum(service(fair, each) for each in fair.tenants)


def test_one_alone_gets_everything_between_the_bursts_of_another() -> None:
    found = measured("fair", bursts(SECONDS, 1))
    assert found.jain > 0.95
    assert max(found.gaps.values()) < max(measured("first-come", bursts(SECONDS, 1)).gaps.values()) / 3


def test_a_replay_is_the_same_each_time() -> None:
    trace = flood(30, 2)
    assert measured("fair", trace) == measured("fair", trace)
    assert SYNTHETIC["flood"](30, 2) == trace


def test_the_server_shares_its_speed() -> None:
    server = Server(stream_rate=10, total_rate=15)
    server.start(1, 0, 100, now=0.0)
    assert server.next_end() == 10.0
    server.start(2, 0, 100, now=5.0)
    assert server.next_end() == pytest.approx(5 + 50 / 7.5)
    assert server.end(server.next_end()) == 1
    assert server.next_end() == pytest.approx(5 + 50 / 7.5 + 5)
    assert server.end(server.next_end()) == 2
    assert server.next_end() == FOREVER


def test_ideal_shares_are_max_min_groups_first() -> None:
    tenants = {"a": Tenant(100, "x", 300), "b": Tenant(100, "y"), "c": Tenant(300, "y")}
    assert pour(400, {"a": 1e9, "b": 1e9, "c": 1e9}, tenants) == pytest.approx({"a": 300, "b": 25, "c": 75})
    assert pour(400, {"a": 100, "b": 1e9, "c": 30}, tenants) == pytest.approx({"a": 100, "b": 270, "c": 30})
    assert pour(400, {"a": 1, "b": 2, "c": 0}, tenants) == pytest.approx({"a": 1, "b": 2, "c": 0})
    assert (jain([1, 1, 1, 1]), jain([1, 0, 0, 0])) == (1, 0.25)


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        ("at,tenant,input_tokens,output_tokens\n2,b,1,2\n1,a,3,4\n", [(0, "a", 3, 4), (1, "b", 1, 2)]),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n",
            [(0, "tenant-1", 4808, 10), (0.052, "tenant-2", 3180, 8)],
        ),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            "2024-05-10 00:00:00.999930+00:00,2162,5\n2024-05-10 00:00:02+00:00,2399,6\n",
            [(0, "tenant-1", 2162, 5), (1.00007, "tenant-2", 2399, 6)],
        ),
        (
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
            "5,ChatGPT,472,18,490,Conversation log\n",
            [(0, "tenant-1", 472, 18)],
        ),
        (
            "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
            "5,,7.5,ChatGPT,472,18,490,API log\n",
            [(0, "tenant-1", 472, 18)],
        ),
    ],
    ids=["own", "azure 2023", "azure 2024", "burstgpt 1", "burstgpt 2"],
)
def test_traces(tmp_path: Path, text: str, requests: list[tuple[float, str, int, int]]) -> None:
    (tmp_path / "trace.csv").write_text(text)
    found = read(tmp_path / "trace.csv", tenants=3)
    assert [(round(each.at, 6), *each[1:]) for each in found] == requests
    assert service_of(*found[0][2:]) == found[0].input_tokens + 2 * found[0].output_tokens


def test_a_part_of_a_trace(tmp_path: Path) -> None:
    """Its lines are in any order."""
    lines = "".join(f"{at},{at},1\n" for at in (50, 10, 20, 40, 30))
    (tmp_path / "trace.csv").write_text(f"at,input_tokens,output_tokens\n{lines}")
    found = read(tmp_path / "trace.csv", 1, begin=10, seconds=20)
    assert [(each.at, each.input_tokens) for each in found] == [(0, 20), (10, 30)]
    with pytest.raises(UnreadableTrace, match="no requests in these seconds"):
        read(tmp_path / "trace.csv", 1, begin=41)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column for at"),
        ("at,input_tokens\n", "no column for output_tokens"),
        ("at,input_tokens,output_tokens\n", "no requests"),
        ("at,input_tokens,output_tokens\n1,2,3\n1,x,3\n", "line 3"),
        ("at,input_tokens,output_tokens\n1,-2,3\n", "line 2: a negative count of tokens"),
        ("at,input_tokens,output_tokens\nsoon,2,3\n", "line 2"),
        ("at,input_tokens,output_tokens\n1,2\n", "line 2: too few columns"),
        ("at,input_tokens,output_tokens\n1,2,3\nnan,2,3\n", "line 3: nan is no time"),
        ("at,input_tokens,output_tokens\n1,1e300,3\n", "line 2: more than 10,000,000 tokens"),
        ("at,input_tokens,output_tokens\n1,inf,3\n", "line 2"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "trace.csv").write_text(text)
    with pytest.raises(UnreadableTrace, match=said):
        read(tmp_path / "trace.csv", tenants=3)

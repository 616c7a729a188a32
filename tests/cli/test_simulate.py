"""`tollkeeper fairshare simulate`, where there is no server and no token."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command

TRACE = "at,tenant,input_tokens,output_tokens\n" + "".join(
    f"{number / 10},{tenant},100,{output}\n" for number in range(300) for tenant, output in (("a", 400), ("b", 40))
)


@pytest.fixture
def simulate() -> Command:
    return Command("http://127.0.0.1:9")


@pytest.fixture
def trace(tmp_path: Path) -> str:
    (tmp_path / "trace.csv").write_text(TRACE)
    return str(tmp_path / "trace.csv")


def test_each_policy_tenant_and_stretch_of_time(simulate: Command, trace: str) -> None:
    ran = simulate("fairshare", "simulate", trace, "--seconds", "30", "--json", TOLLKEEPER_ADMIN_TOKEN=None)
    assert ran.code == 0, ran
    report = ran.json
    assert [row["policy"] for row in report["policies"]] == ["first-come", "caps", "fair"]
    assert [(row["policy"], row["tenant"]) for row in report["tenants"][-2:]] == [("fair", "a"), ("fair", "b")]
    for of_policy in report["policies"]:
        of_tenants = [row for row in report["tenants"] if row["policy"] == of_policy["policy"]]
        assert sum(row["asked"] for row in of_tenants) == of_policy["asked"] == 600
        over_time = [row for row in report["over_time"] if row["policy"] == of_policy["policy"]]
        assert [row["second"] for row in over_time] == list(range(0, 30, 3))
        assert sum(3 * (row["a"] + row["b"]) for row in over_time) == pytest.approx(of_policy["service"], rel=0.01)
    jain = {row["policy"]: row["jain"] for row in report["policies"]}
    assert jain["first-come"] < 0.8 < 0.95 < jain["fair"]
    waits = report["tenants"][-1]
    assert 0 < waits["wait_p50"] <= waits["wait_p95"] <= waits["wait_max"] <= 30


def test_weights_groups_and_queue_bounds(simulate: Command, trace: str) -> None:
    given = ("fairshare", "simulate", trace, "--seconds", "30", "--policy", "fair", "--every", "0")
    even = simulate.json(*given)
    assert "over_time" not in even
    weighted = simulate.json(*given, "--tenant", "a=300", "--tenant", "b=100")
    grouped = simulate.json(*given, "--tenant", "a=1@x=300", "--tenant", "b=500@y=100")
    for report in (weighted, grouped):
        a, b = (row["service"] for row in report["tenants"])
        assert a > 2 * b
    bounded = simulate.json(*given, "--max-queued-per-tenant", "1", "--slots", "10")
    assert bounded["policies"][0]["refused"] > even["policies"][0]["refused"]
    table = simulate.ok(*given).out
    assert "policy  tenant  asked  refused" in table
    assert "over_time" not in table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tenant", "nobody=1"), "the trace has no such tenant; it has a, b"),
        (("--tenant", "a"), "want NAME=WEIGHT"),
        (("--tenant", "a=0"), "want NAME=WEIGHT"),
        (("--tenant", "a=1@g"), "want NAME=WEIGHT"),
        (("--tenant", "a=1@g=1", "--tenant", "b=1@g=2"), "the group has another weight"),
        (("--policy", "lottery"), "no such policy: lottery; there is first-come, caps, fair, all"),
        (("--from", "60"), "there are no requests in these seconds"),
    ],
)
def test_what_cannot_be_simulated(simulate: Command, trace: str, arguments: tuple[str, ...], said: str) -> None:
    ran = simulate("fairshare", "simulate", trace, *arguments)
    assert (ran.code, said in ran.err, ran.out) == (2, True, ""), ran


def test_what_is_no_trace(simulate: Command, tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_text("at,input_tokens,output_tokens\n1,2,3\n2,many,3\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "crowd.csv").write_text(
        "at,tenant,input_tokens,output_tokens\n" + "".join(f"{n},t{n},1,1\n" for n in range(200))
    )
    for arguments, said in (
        (("broken.csv",), "broken.csv: line 3: could not convert string to float: 'many'"),
        (("binary",), "binary: it is not text in UTF-8"),
        (("absent.csv",), "absent.csv: No such file or directory"),
        (("crowd.csv", "--seconds", "86400"), "200 tenants: look at no more than 50,000 --seconds"),
    ):
        ran = simulate("fairshare", "simulate", str(tmp_path / arguments[0]), *arguments[1:])
        assert (ran.code, said in ran.err) == (2, True), ran
    ran = simulate("fairshare", "simulate", "--synthetic", "calm")
    assert (ran.code, "there is steady, flood, bursts" in ran.err) == (2, True)

"""Log entries that this deployment never said, brought to the sidecar by somebody who can reach its socket."""

import json
import time
from typing import Any

import grpc

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.metrics import AccessLogMetrics
from accesslog.service import PATH
from accesslog.trust import Trust
from ratelimit.budgets.keys import budget_key
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.seal import DECISION, LEASE, Seal, key_of
from tests.accesslog.entries import CHAT_USAGE, decision, earlier_line, entry, line, message, proto
from tests.e2e.attacks.conftest import SEAL_KEY, SECRET
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.test_runtime import streaming

NOW_MS = time.time_ns() // 1_000_000
FOREIGN = "tollkeeper:model:{gpt}"  # a key that is no budget


def stream(deployment: Deployment, *entries: dict[str, Any]) -> None:
    with grpc.insecure_channel(f"unix:{deployment.settings.ratelimit_socket}") as channel:
        both = [proto(each, earlier=earlier) for each in entries for earlier in (False, True)]
        channel.stream_unary(PATH, None, None)(iter([message(*both)]), timeout=30)


def log(deployment: Deployment, *entries: dict[str, Any]) -> None:
    with (deployment.directory / "access.jsonl").open("a") as file:
        for write in (line, earlier_line):
            file.write(b"".join(write(each) + b"\n" for each in entries).decode())


def forgeries(who: Credential, running: str) -> list[dict[str, Any]]:
    """One of each kind that there was: a row, a month charged, a lease settled at 0 or given back, a hash written, a
    month of the ledger begun."""
    charged = [[budget_key(who.tenant_id, "limit"), "b60000", 100, 1], [FOREIGN, "b60000", 100, 1]]
    said = {"tenant_id": who.tenant_id, "key_id": who.key_id}
    decisions = [
        {**said, "lease_id": mint_lease_id(NOW_MS)},
        {**said, "lease_id": mint_lease_id(NOW_MS), "admission": "unmetered", "limits": json.dumps(charged)},
        {**said, "lease_id": running},
        {**said, "lease_id": mint_lease_id(NOW_MS), "admission": "refused", "denied": "429"},
        {**said, "lease_id": mint_lease_id(NOW_MS - 40 * 86_400_000)},
    ]
    forged = [
        entry(decision(**{**each, **seal}), CHAT_USAGE) for each in decisions for seal in ({}, {"seal": "0" * 32})
    ]
    given_back = {"begun": running, "tenant_id": who.tenant_id}
    return [*forged, entry(None, None, **given_back), entry(None, None, **given_back, begun_seal="0" * 32)]


def distrusted(deployment: Deployment) -> float:
    name = "tollkeeper_accesslog_distrusted_entries_total"
    return sum(float(each.split()[-1]) for each in deployment.metrics().splitlines() if each.startswith(name))


def test_nothing_comes_of_what_was_never_said(deployment: Deployment) -> None:
    who = deployment.tenant()
    with deployment.redis() as redis, streaming(deployment, who, 1):
        leases = f"tollkeeper:leases:{{{who.tenant_id}}}"
        (running,) = wait_for(lambda: redis.zrange(leases, 0, -1) or None, "the lease")
        budgets = {key: redis.hgetall(key) for key in redis.scan_iter(f"tollkeeper:budget:{{{who.tenant_id}}}*")}
        assert budgets
        months = deployment.rows("SELECT inhrelid FROM pg_inherits WHERE inhparent = 'usage'::regclass")
        forged = forgeries(who, str(running))
        stream(deployment, *forged)
        log(deployment, *forged)
        wait_for(lambda: distrusted(deployment) >= 4 * len(forged) or None, "every one is counted")
        assert redis.zrange(leases, 0, -1) == [running]
        assert not redis.exists(FOREIGN)
        assert {key: redis.hgetall(key) for key in budgets} == budgets
        assert deployment.usage(who) == []
        assert deployment.rows("SELECT inhrelid FROM pg_inherits WHERE inhparent = 'usage'::regclass") == months
    (row,) = deployment.usage_when(who, 1)  # no forged entry kept the right one from counting
    assert (str(row["id"]), row["usage_source"]) == (running, "estimated")


def test_what_was_said_is_believed_whatever_the_client_wrote(deployment: Deployment) -> None:
    who = deployment.tenant()
    before = distrusted(deployment)
    odd = ['"\\', "-", "\x7f\x1f", "é\u2028\U0001f600", "a" * 300, "\x00"]
    for text in odd:
        deployment.chat(who, {"x-user-id": 'a"\\b'}, model=text)
    rows = deployment.usage_when(who, len(odd))
    assert {row["end_user_id"] for row in rows} != {""}
    wait_for(lambda: len(believed(deployment, who)) >= len(rows) or None, "the file's lines")
    assert distrusted(deployment) == before


def believed(deployment: Deployment, who: Credential) -> list[object]:
    """Of the lines of Envoy's file; each that has a decision is."""
    keys = [key_of(SECRET), bytes.fromhex(SEAL_KEY)]
    trust = Trust(Seal(keys, DECISION), Seal(keys, LEASE), 0.0, AccessLogMetrics())
    lines = (deployment.directory / "access.jsonl").read_bytes().strip(b"\0").splitlines()
    ours = [found for each in lines if (found := read_line(each)) and isinstance(found, LogEntry)
            and found.decision.tenant_id == who.tenant_id]  # fmt: skip
    assert all(trust.sift(each) is not None for each in ours)
    return [*ours]

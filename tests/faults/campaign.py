"""A fault campaign: faults in random order from a seed, under load through a real Envoy, and the books at the end.

What must hold whatever happened: every request that reached the model server is in the ledger once, each budget counts
what the ledger has, and nothing is in flight any more.
"""

import itertools
import random
import threading
import time
import urllib.error
from collections import Counter
from dataclasses import dataclass, field

from tests.e2e.deployment import Credential, wait_for
from tests.e2e.load import Load
from tests.faults.faults import Fault, faults_of
from tests.faults.place import Place
from tests.faults.rooms import open_rooms

TENANTS, CLIENTS = 2, 3
LASTS = (0.5, 4.0)  # seconds of one fault
PAUSE = (0.2, 3.0)  # seconds between two
AT_ONCE = 2
SETTLED_SECONDS = 120.0  # for leases to expire and be swept, rows to come out of spools, budgets to be mended


@dataclass
class Seen:
    """What reached the model server, by the id that its client chose.  The server remembers the last 200 only."""

    place: Place
    requests: Counter[str] = field(default_factory=Counter)
    _before: set[str] = field(default_factory=set)

    def __enter__(self) -> "Seen":
        self._stopping = threading.Event()
        self.look()
        self._before = set(self.requests)  # of what waited for the stack
        self.requests.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        found = Counter(each["headers"].get("x-request-id", "") for each in self.place.seen_upstream())
        del found[""]  # of what looked whether it runs
        for name in found.keys() - self._before:
            times = found[name]
            self.requests[name] = max(self.requests[name], times)

    def _run(self) -> None:
        while not self._stopping.wait(0.5):
            try:
                self.look()
            except (OSError, urllib.error.URLError):
                continue


@dataclass
class Outcome:
    """`faults`: what was done, in order.  `wrong`: what does not hold, empty if all does.  `recovered`: after how many
    seconds without faults requests were answered again; `settled`: and after how many more the books were looked at for
    the last time.  `rooms`: what came of all else that was asked."""

    seed: int
    faults: list[str]
    statuses: Counter[int]
    upstream: int
    wrong: list[str]
    recovered: float
    settled: float
    rooms: str

    def __str__(self) -> str:
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        verdict = "the books are in order"
        if self.wrong:
            verdict = "\n  ".join([f"WRONG, after {', '.join(self.faults)}:", *self.wrong])
        kinds = ", ".join(f"{count} x {name}" for name, count in sorted(Counter(self.faults).items()))
        took = f"answered again after {self.recovered:.1f} s, in order or given up {self.settled:.1f} s later"
        return (
            f"seed {self.seed}: {len(self.faults)} faults ({kinds})\n"
            f"{answers}; {self.upstream} upstream; {took}\n{self.rooms}\n{verdict}"
        )


def run(place: Place, seed: int, seconds: float) -> Outcome:
    chance, made = random.Random(seed), list[str]()
    who = [place.limited_tenant() for _ in range(TENANTS)]
    addresses = itertools.cycle(address for address, _ in place.envoys)
    lasts = seconds + SETTLED_SECONDS
    loads = [Load(place, each, CLIENTS, seconds=lasts, address=next(addresses)) for each in who]
    with Seen(place) as seen, loads[0], loads[1], open_rooms(place, who[0]) as rooms:
        break_things(place, chance, seconds, made)
        began = time.monotonic()
        wait_for(lambda: True if all(place.serves(each) for each in who) else None, "recovery", 60)
        recovered = time.monotonic() - began
    answers, began = {name: status for load in loads for name, status in load.answers.items()}, time.monotonic()
    wrong = check(place, who)
    wrong += missing_rows(place, who, seen.requests) + rooms.wrong()
    settled = time.monotonic() - began
    return Outcome(seed, made, Counter(answers.values()), len(seen.requests), wrong, recovered, settled, str(rooms))


def break_things(place: Place, chance: random.Random, seconds: float, made: list[str]) -> None:
    """Begins and ends faults for so long; afterwards none lasts."""
    until, lasting = time.monotonic() + seconds, dict[str, tuple[float, Fault]]()
    begin_at = time.monotonic()
    try:
        while time.monotonic() < until:
            now = time.monotonic()
            for group in [group for group, (end_at, _) in lasting.items() if now >= end_at]:
                lasting.pop(group)[1].end()
            if now >= begin_at and len(lasting) < AT_ONCE:
                fault = chance.choice(faults_of(place, chance))
                if fault.group not in lasting:
                    fault.begin()
                    made.append(fault.name)
                    lasting[fault.group] = (now + chance.uniform(*LASTS), fault)
                begin_at = now + chance.uniform(*PAUSE)
            time.sleep(0.05)
    finally:
        for _, fault in lasting.values():
            fault.end()


def check(place: Place, who: list[Credential]) -> list[str]:
    """What is wrong with the tenants' slots and budgets once everything has had its time."""
    deadline, wrong = time.monotonic() + SETTLED_SECONDS, ["never looked"]
    while wrong and time.monotonic() < deadline:
        wrong = [complaint for each in who for complaint in (*slots_taken(place, each), *drifts(place, each))]
        time.sleep(1.0)
    return wrong


def slots_taken(place: Place, who: Credential) -> list[str]:
    with place.redis() as client:
        leases = client.zcard(f"tollkeeper:leases:{{{who.tenant_id}}}")
    stats = place.admin.get("/stats").json()  # without the figure: not answered
    in_flight = stats.get("in_flight", 1)
    found = [f"{leases} leases of {who.tenant_id}"] if leases else []
    return found + ([f"{in_flight} in flight by the sidecars' reports"] if in_flight else [])


def drifts(place: Place, who: Credential) -> list[str]:
    answer = place.admin.get("/budgets/audit", params={"tenant_id": who.tenant_id})
    if answer.status_code != 200:
        return [f"the audit was answered with {answer.status_code}"]
    found = answer.json()
    if found["audited"] < 3:
        return [f"only {found['audited']} budgets were compared"]
    return [f"{each['limit']}: counted {each['counted']}, the ledger has {each['spent']}" for each in found["budgets"]]


def missing_rows(place: Place, who: list[Credential], upstream: Counter[str]) -> list[str]:
    rows = Counter(row["request_id"] for each in who for row in place.usage(each) if row["admission"] != "refused")
    reserved = rows.pop("", 0)  # of requests whose end nobody saw
    lost = [name for name in upstream if name not in rows]
    found = [f"{count} rows of request {name}" for name, count in rows.items() if count > 1]
    found += [f"request {name} ran {times} times" for name, times in upstream.items() if times > 1]
    if len(lost) > reserved:
        found.append(f"{len(lost)} requests ran and are in no row, {reserved} rows are as reserved: {lost[:3]}")
    return found

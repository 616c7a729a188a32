"""The policies: first come first served, a bound on each tenant, or fair shares.  Pure."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ratelimit.fairness.floor import Floor, Full, Terms
from ratelimit.fairness.queue import Ticket
from ratelimit.fairness.service import service_of
from ratelimit.fairness.simulation.trace import Request

ESTIMATED_OUTPUT = 300  # tokens: the output is not known when a request comes


@dataclass(frozen=True)
class Tenant:
    weight: int = 100
    group: str = "default"
    group_weight: int = 100


class Policy(Protocol):
    """Requests are identified by numbers."""

    def ask(self, number: int, request: Request, now: float) -> bool | None:
        """True: it runs; False: it waits; None: it is refused."""

    def admit(self, now: float) -> int | None:
        """The next request that runs, if one may."""

    def over(self, number: int, request: Request) -> None:
        """A request has run."""

    def gone(self, now: float) -> list[int]:
        """The requests whose time to wait is over."""


class FirstCome:
    """One queue."""

    def __init__(self, slots: int, terms: Terms, of_tenant: float = float("inf")) -> None:
        self._slots, self._terms, self._of_tenant = slots, terms, of_tenant
        self._queue: deque[tuple[int, float]] = deque()
        self._running: dict[int, str] = {}
        self._waiting: set[int] = set()

    def ask(self, number: int, request: Request, now: float) -> bool | None:
        if not self._waiting and len(self._running) < self._slots:
            self._running[number] = request.tenant
            return True
        if len(self._waiting) >= self._terms.most_queued:
            return None
        self._queue.append((number, now))
        self._waiting.add(number)
        return False

    def admit(self, now: float) -> int | None:
        while self._queue and self._queue[0][0] not in self._waiting:
            self._queue.popleft()
        if not self._queue or len(self._running) >= self._slots:
            return None
        number, _ = self._queue.popleft()
        self._waiting.remove(number)
        self._running[number] = ""
        return number

    def over(self, number: int, request: Request) -> None:
        del self._running[number]

    def gone(self, now: float) -> list[int]:
        found = []
        while self._queue and now - self._queue[0][1] >= self._terms.queue_seconds:
            number, _ = self._queue.popleft()
            if number in self._waiting:
                self._waiting.remove(number)
                found.append(number)
        return found


class Caps:
    """A bound on what each tenant runs, by its weight; a request beyond it, or without any room, is refused.  Typical
    of gateways."""

    def __init__(self, slots: int, tenants: Mapping[str, Tenant]) -> None:
        whole = sum(tenant.weight for tenant in tenants.values())
        self._slots = slots
        self._most = {name: max(1, slots * tenant.weight // whole) for name, tenant in tenants.items()}
        self._running: Counter[str] = Counter()

    def ask(self, number: int, request: Request, now: float) -> bool | None:
        if self._running[request.tenant] >= self._most[request.tenant] or self._running.total() >= self._slots:
            return None
        self._running[request.tenant] += 1
        return True

    def admit(self, now: float) -> int | None:
        return None

    def over(self, number: int, request: Request) -> None:
        self._running[request.tenant] -= 1

    def gone(self, now: float) -> list[int]:
        return []


class Fair:
    """Tollkeeper's own policy."""

    def __init__(self, slots: int, terms: Terms, tenants: Mapping[str, Tenant]) -> None:
        self._floor: Floor[int] = Floor(terms)
        self._floor.most = slots
        self._tenants = tenants
        self._tickets: OrderedDict[int, Ticket[int]] = OrderedDict()
        self._displaced: list[int] = []

    def ask(self, number: int, request: Request, now: float) -> bool | None:
        tenant = self._tenants[request.tenant]
        way = (tenant.group, tenant.group_weight), (request.tenant, tenant.weight)
        asked = self._floor.ask(number, service_of(request.input_tokens, ESTIMATED_OUTPUT), way, "", now)
        if isinstance(asked, Full):
            return None
        self._tickets[number] = asked.ticket
        if asked.displaced is not None:
            self._displaced.append(asked.displaced[0].item)
        return not asked.waits

    def admit(self, now: float) -> int | None:
        ticket = self._floor.admit(now)
        return None if ticket is None else ticket.item

    def over(self, number: int, request: Request) -> None:
        ticket = self._tickets.pop(number)
        self._floor.charge(ticket, service_of(request.input_tokens, request.output_tokens))
        self._floor.over(ticket)

    def gone(self, now: float) -> list[int]:
        found = [*self._displaced, *(ticket.item for ticket, _ in self._floor.expired(now))]
        self._displaced.clear()
        for number in found:
            del self._tickets[number]
        return found


def policies(slots: int, terms: Terms, tenants: Mapping[str, Tenant]) -> dict[str, Callable[[], Policy]]:
    """The policies, by their names on the command line."""
    return {
        "first-come": lambda: FirstCome(slots, terms),
        "caps": lambda: Caps(slots, tenants),
        "fair": lambda: Fair(slots, terms, tenants),
    }

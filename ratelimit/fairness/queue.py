"""The fair queue: who waits, who is next, and what each has had.  Pure and deterministic.

Hierarchical weighted fair queueing: groups by their weights, the tenants of a group by theirs, then, if asked for, the
users of a tenant; within a leaf, first come first served.  It is charged in tokens of service (service.py): by an
estimate on admission, more as a long answer runs, and corrected by what it really was at its end.

**What holds** (tests/ratelimit/fairness/test_properties.py), for two siblings that wait all the time, at each level and
whatever is served at the others.  W: what each has had in any stretch of time; r: its weight; l: its largest request.

- If estimates are right, |W_f / r_f - W_m / r_m| <= l_f / r_f + l_m / r_m (theorem 1 of Start-time Fair Queuing; Goyal,
  Vin and Cheng, SIGCOMM 1996).
- If they are wrong, it is at most 2 (n + 1) l / min(r), where n is how many run at once.  The Virtual Token Counter
  (Sheng and others, OSDI 2024), which charges as answers run, has the same bound: twice what fits into the server.
- One that comes waits for at most one request of each sibling (the delay bound of Start-time Fair Queuing), once what
  was charged too much of those that run has been corrected.  So no one starves, and what a flood adds to the wait of
  others does not depend on its length.
- As long as anything waits, `next` gives something: it is work-conserving.

A step takes O(log n) at each level.  What nobody waits in or runs from is forgotten (tree.py says when).
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from ratelimit.fairness.tree import NO_LINE, Demand, Node

T = TypeVar("T")


Share = tuple[str, int]
"""Name and weight of one level of the way from the root to where a request waits.  Weights are positive."""

Way = Sequence[Share]
"""Group, tenant, and perhaps user: equally long for all requests of a queue."""


class Ticket(Generic[T]):
    """A request that waits or runs.  `charged`: tokens of service so far.  Set by others: `model`, whose room it is in;
    `began`, when it began to run (s); `room`, the places that it takes."""

    __slots__ = ("began", "charged", "cost", "item", "leaf", "model", "room")

    def __init__(self, item: T, cost: int, leaf: Node, charged: int = 0) -> None:
        self.item, self.cost, self.leaf, self.charged = item, cost, leaf, charged
        self.model = self.room = ""
        self.began = 0.0

    @property
    def waits(self) -> bool:
        return self in self.leaf.line

    @property
    def way(self) -> Way:
        """The path to the leaf where it waits or runs."""
        found, node = [], self.leaf
        while node.parent is not None:
            found.append((node.name, node.weight))
            node = node.parent
        return found[::-1]


class FairQueue(Generic[T]):
    """Not for several threads at once.  `all`: what waits and runs in it, for others to read."""

    def __init__(self) -> None:
        self.all = self._root = Node("", 1, None, leaf=False)

    def __len__(self) -> int:
        """The number of requests that wait."""
        return self._root.waiting

    @property
    def running(self) -> int:
        return self._root.running

    @property
    def backlog(self) -> int:
        """The tokens of service of all waiting requests."""
        return self._root.backlog

    @property
    def waiting_weight(self) -> int:
        """The sum of the weights of all groups that wait."""
        return self._root.waiting_weight

    def push(self, item: T, cost: int, way: Way) -> Ticket[T]:
        """Adds a waiting request.  `cost`: tokens of service, as estimated."""
        ticket = Ticket(item, cost, self._leaf(way))
        self._wait(ticket)
        return ticket

    def take_back(self, ticket: Ticket[T], way: Way) -> None:
        """Adds a request that was removed from another queue, and waits on here."""
        ticket.leaf = self._leaf(way)
        self._wait(ticket)

    def _wait(self, ticket: Ticket[T]) -> None:
        leaf, cost = ticket.leaf, ticket.cost
        if leaf.line is NO_LINE:
            leaf.line = OrderedDict()
        leaf.line[ticket] = None
        node = leaf
        while (parent := node.parent) is not None:
            node.waiting += 1
            node.backlog += cost
            if node.waiting == 1:
                parent.waiting_weight += node.weight
                parent.lift(node)
                parent.offer(node)
            parent.grown(node)
            node = parent
        node.waiting += 1
        node.backlog += cost

    def next(self) -> Ticket[T]:
        """Takes out the request whose turn it is: it runs from now on.  IndexError if none waits."""
        node = self._root
        while not node.is_leaf:
            node = node.next()
        ticket: Ticket[T] = node.line.popitem(last=False)[0]
        ticket.charged = cost = ticket.cost
        while (parent := node.parent) is not None:
            node.waiting -= 1
            node.backlog -= cost
            node.running += 1
            node.tag += cost / node.weight
            if not node.waiting:
                parent.waiting_weight -= node.weight
            node = parent
        node.waiting -= 1
        node.backlog -= cost
        node.running += 1
        return ticket

    def run(self, item: T, cost: int, way: Way) -> Ticket[T]:
        """Enters a request that runs without having waited, because there is room and none waits."""
        return Ticket(item, cost, self._enter(way, cost), cost)

    def take_over(self, ticket: Ticket[T], way: Way) -> None:
        """Enters a request that ran in another queue, and ended there; what it has had is charged here too."""
        ticket.leaf = self._enter(way, ticket.charged)

    def _enter(self, way: Way, service: int) -> Node:
        """Counts in a request that runs, and charges it; the leaf of its way."""
        node = self._root
        node.running += 1
        for name, weight in way:
            parent, child = node, node.children.get(name)
            if child is None or child.weight != weight:
                self._leaf(way)
                child = parent.children[name]
            node = child
            node.running += 1  # before time comes to its tag: then it is not forgotten as idle
            if node.tag < parent.virtual and not node.waiting:
                node.tag = parent.virtual
            if node.tag > parent.virtual or parent.lingering:
                parent.serve(node)
            node.tag += service / weight
        return node

    def charge(self, ticket: Ticket[T], service: int) -> None:
        """`service`: the total that a running request has had."""
        more, node = service - ticket.charged, ticket.leaf
        ticket.charged = service
        while (parent := node.parent) is not None:
            node.tag += more / node.weight
            if more < 0 and node.waiting:
                parent.offer(node)
            node = parent

    def end(self, ticket: Ticket[T], service: int | None = None) -> None:
        """A running request has ended.  `service`: as `charge`; None: what it had has been charged."""
        more = 0 if service is None else service - ticket.charged
        leaf = node = ticket.leaf
        while (parent := node.parent) is not None:
            node.running -= 1
            node.tag += more / node.weight
            if more < 0 and node.waiting:
                parent.offer(node)
            node = parent
        node.running -= 1
        if not leaf.running and not leaf.waiting:
            self._forget(leaf)

    def remove(self, ticket: Ticket[T]) -> None:
        """A waiting request leaves without having run."""
        del ticket.leaf.line[ticket]
        self._waits_no_more(ticket)
        self._forget(ticket.leaf)

    def last(self) -> Ticket[T]:
        """The newest request of the line with the most waiting for its weight: the one to be displaced when the queue
        is full.  It stays in the queue.  IndexError if none waits."""
        node = self._root
        while not node.is_leaf:
            node = node.most_waiting()
        ticket: Ticket[T] = next(reversed(node.line))
        return ticket

    def charge_elsewhere(self, way: Way, service: int) -> None:
        """`service` was had in another sidecar: it counts for the tenant's requests here too."""
        node = self._root
        for name, _ in way:
            child = node.children.get(name)
            if child is None:
                return
            self._count(child, service)
            node = child

    def outweighs(self, ticket: Ticket[T], way: Way) -> bool:
        """Whether the ticket's line has more waiting for its weight than a new request's line would have, compared
        where their ways first part."""
        parent = self._root
        for (own, _), (name, weight) in zip(ticket.way, way, strict=True):
            node = parent.children[own]
            if own != name:
                other = parent.children.get(name)
                waiting = 1 + (other.waiting if other is not None else 0)
                return node.waiting / node.weight > waiting / weight
            parent = node
        return False

    def waiting_of(self, way: Way) -> int:
        """The number that waits in the last node of the way."""
        node: Node | None = self._root
        for name, _ in way:
            node = node.children.get(name) if node is not None else None
        return 0 if node is None else node.waiting

    def ahead_of(self, way: Way) -> tuple[float, float]:
        """About how many tokens of service, and how many requests, will be admitted before a new one: what waits in its
        own line, divided by the line's share of the whole."""
        node: Node | None = self._root
        part = 1.0
        for name, weight in way:
            child = node.children.get(name) if node is not None else None
            if node is not None:
                others = node.waiting_weight - (child.weight if child is not None and child.waiting else 0)
                part *= weight / (weight + others)
            node = child
        return (0.0, 0.0) if node is None else (node.backlog / part, node.waiting / part)

    def demands(self) -> Iterator[Demand]:
        """The demand of each tenant that has anything here."""
        for group in self._root.children.values():
            for tenant in () if group.is_leaf else group.children.values():
                if not tenant.is_idle:
                    yield Demand(group.name, tenant.name, tenant.weight, tenant.running, tenant.waiting)

    def remembered(self) -> int:
        """The number of groups, tenants and users that are known now."""
        return sum(1 for _ in _below(self._root))

    def entries(self) -> int:
        """The number of entries in all heaps, stale ones included."""
        nodes = (node for node in (self._root, *_below(self._root)) if not node.is_leaf)
        return sum(len(node.ready) + len(node.longest) + len(node.lingering) for node in nodes)

    def _leaf(self, way: Way) -> Node:
        """The leaf of a way; its nodes are made if needed, and take the weights that it gives."""
        node = self._root
        for depth, (name, weight) in enumerate(way, 1):
            child = node.children.get(name)
            if child is None:
                child = node.children[name] = Node(name, weight, node, leaf=depth == len(way))
            elif child.weight != weight:
                child.reweigh(weight)
            node = child
        return node

    def _waits_no_more(self, ticket: Ticket[T]) -> None:
        node: Node | None = ticket.leaf
        while node is not None:
            node.waiting -= 1
            node.backlog -= ticket.cost
            if not node.waiting and node.parent is not None:
                node.parent.waiting_weight -= node.weight
            node = node.parent

    def _count(self, node: Node, service: int) -> None:
        parent = node.parent
        if parent is not None:
            node.tag += service / node.weight
            if service < 0 and node.waiting:
                parent.offer(node)

    def _forget(self, leaf: Node) -> None:
        """Forgets the nodes that are idle now, from the leaf upwards."""
        node = leaf
        while node.is_idle and (parent := node.parent) is not None:
            parent.ended(node)
            node = parent


def _below(node: Node) -> Iterator[Node]:
    for child in node.children.values():
        yield child
        if not child.is_leaf:
            yield from _below(child)

"""The whole slice on a real Redis: service, group commit, budgets; behind any engine, or called directly."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from ratelimit.answer_bytes import serialize
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.commit.fallback import FailureMode, Fallback
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.commit.in_doubt import InDoubt
from ratelimit.in_flight import InFlight
from ratelimit.metrics import RatelimitMetrics
from ratelimit.service import RatelimitService, refused_by
from ratelimit.tenants.account import Account
from ratelimit.tenants.decider import DOMAIN, TenantDecider, wall_clock_ms
from ratelimit.tenants.screening import Terms
from ratelimit.tenants.uploads import DOMAIN as UPLOADS
from ratelimit.tenants.uploads import UploadDecider
from ratelimit.uploads import Uploads
from store.redis import open_redis
from tests.ratelimit.rls import Told, WaitingCall
from tests.ratelimit.stores import peek_at
from tests.ratelimit.tenants.test_screening import Registry
from tests.serving.conftest import kind, serve

__all__ = ["kind", "serve"]

LEASE_SECONDS = 600.0
DEFAULT_OUTPUT = 1024
SETTLE_DOWN_SECONDS = 0.3


@dataclass
class Slice:
    """One sidecar's ratelimit on a Redis."""

    url: str
    mode: FailureMode = FailureMode.DENY
    timeout: float = 0.5  # ten times the product's: the machine may be busy
    patience: float = 1.0
    metrics: RatelimitMetrics = field(default_factory=RatelimitMetrics)
    in_flight: InFlight = field(default_factory=InFlight)
    uploads: Uploads = field(default_factory=Uploads)

    def __post_init__(self) -> None:
        client = partial(open_redis, self.url, timeout=self.timeout)
        self.budgets = RedisBudgets(client, LEASE_SECONDS, timeout=self.timeout)
        self.committer = GroupCommit(
            self.budgets,
            self.budgets.ping,
            Fallback(self.mode, wall_clock_ms),
            self.metrics,
            patience_seconds=self.patience,
            doubts=InDoubt(time.monotonic, SETTLE_DOWN_SECONDS),
        )
        catalog = Registry("m", "other")
        tenants = TenantDecider(
            self.committer,
            self.in_flight,
            catalog,
            self.metrics,
            serialize,
            terms=Terms(default_output=DEFAULT_OUTPUT),
        )
        uploads = UploadDecider(
            self.committer, self.in_flight, self.uploads, self.metrics, serialize, refused_by, prices=catalog.prices
        )
        self.service = RatelimitService({DOMAIN: uploads.gate(tenants.decide), UPLOADS: uploads.decide})
        self.committer.start()

    def start(self, message: bytes, *, left: bool = False) -> WaitingCall:
        """`left`: the caller has gone before the answer."""
        call = WaitingCall(left)
        answer = self.service.should_rate_limit(message, call)
        if answer is not None:
            call.reply(answer if isinstance(answer, bytes) else answer())
        return call

    def tell(self, message: bytes) -> Told:
        return self.start(message).told()

    def peek(self, of: Account) -> list[int]:
        return peek_at(self.url, of)

    def close(self) -> None:
        self.committer.close()
        self.budgets.close()


@pytest.fixture
def open_slice() -> Iterator[Callable[..., Slice]]:
    """Starts slices; closes them when the test is over."""
    opened: list[Slice] = []

    def start(*arguments: object, **settings: object) -> Slice:
        opened.append(Slice(*arguments, **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def ratelimit(open_slice: Callable[..., Slice], redis_url: str) -> Slice:
    return open_slice(redis_url, timeout=1.0)

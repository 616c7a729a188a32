"""Keeps credentials from being guessed: an address with too many wrong ones is not listened to for a while."""

from cachetools import TTLCache
from starlette.requests import HTTPConnection

from admin.access.permission import Principal
from admin.commands.refusals import Reason, Refusal
from admin.gate.answers import source_of
from admin.gate.credentials import Authentication
from admin.metrics import AdminMetrics

# Few enough that a badly chosen token is not guessed, enough that one misconfigured client does not shut out the others
# behind its address.
FAILURES_ALLOWED = 100
FAILURES_WINDOW_SECONDS = 60
ADDRESSES_REMEMBERED = 10_000

TOO_MANY = Refusal(Reason.THROTTLED, "too many wrong tokens from this address", retry_seconds=FAILURES_WINDOW_SECONDS)


class FailedAttempts:
    """Counts wrong credentials by address; bounded in addresses and in time."""

    def __init__(self, allowed: int = FAILURES_ALLOWED, window_seconds: float = FAILURES_WINDOW_SECONDS) -> None:
        self._allowed = allowed
        self._failures: TTLCache[str, int] = TTLCache(ADDRESSES_REMEMBERED, window_seconds)

    def too_many(self, address: str) -> bool:
        return self._failures.get(address, 0) >= self._allowed

    def add(self, address: str) -> None:
        self._failures[address] = self._failures.get(address, 0) + 1


class Throttled:
    """An Authentication that counts what is wrong of another one's credentials.  A missing one is no guess."""

    def __init__(self, inner: Authentication, failed: FailedAttempts, metrics: AdminMetrics) -> None:
        self._inner, self._failed, self._metrics = inner, failed, metrics
        self.challenge = inner.challenge

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        address = source_of(request.scope)
        if self._failed.too_many(address):
            return TOO_MANY
        found = await self._inner.principal(request)
        if isinstance(found, Refusal) and found.reason is Reason.WRONG_CREDENTIAL:
            self._failed.add(address)
            self._metrics.refused_tokens.add()
        return found

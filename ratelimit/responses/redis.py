"""Kept answers in Redis or Valkey: a string each, and for each owner two orders and the sizes.

What the store evicts by itself, under its own memory bound, counts among its owner's bytes until it would have expired.
"""

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.budgets.scripts import Client, Runner, Script, Step
from ratelimit.responses.kept import Place
from ratelimit.responses.names import answer_key, claim_key, owner_keys
from ratelimit.responses.port import Look, Told, Turn

CLAIM_SECONDS = 30.0
AWAY = "the store of answers does not answer"


class RedisResponses:
    """Implements Responses, on clients of its own: for one thread."""

    def __init__(self, open_client: Callable[[], Client], claim_seconds: float = CLAIM_SECONDS) -> None:
        self._runner, self._claim_ms = Runner(open_client), int(claim_seconds * 1000)
        self._look, self._keep, self._release = (_script(name) for name in ("look", "keep", "release"))

    def look(self, looks: Sequence[Look]) -> list[bytes | Turn]:
        if not self._runner.by_owner:
            (found,) = self._runner.run(self._look, [self._step(looks)])
            return [_read(each) for each in found]
        replies = self._runner.run(self._look, [self._step([look]) for look in looks])
        return [Turn.RUN if reply is None else _read(reply[0]) for reply in replies]

    def _step(self, looks: Sequence[Look]) -> Step:
        keys, arguments = list[str](), list[str | int]([self._claim_ms])
        for (owner, name), lease_id, claims in looks:
            keys += (answer_key(owner, name), claim_key(owner, name), owner_keys(owner).used)
            arguments += (name, lease_id, int(claims))
        return Step(keys, arguments)

    def keep(self, place: Place, lease_id: str, stored: bytes, ttl_seconds: int, most_bytes: int) -> Told:
        owner, name = place
        keys = [answer_key(owner, name), claim_key(owner, name), *owner_keys(owner)]
        arguments: list[Any] = [name, lease_id, stored, ttl_seconds * 1000, most_bytes, answer_key(owner, "")]
        kept, evicted, size = self._one(self._keep, Step(keys, arguments))
        return Told(bool(kept), evicted, size)

    def release(self, place: Place, lease_id: str) -> None:
        self._one(self._release, Step([claim_key(*place)], [lease_id]))

    def close(self) -> None:
        self._runner.close()

    def _one(self, script: Script, step: Step) -> Any:
        (reply,) = self._runner.run(script, [step])
        if reply is None:
            raise BudgetsUnavailable(AWAY)
        return reply


def _read(reply: object) -> bytes | Turn:
    return reply if isinstance(reply, bytes) else Turn(reply)


def _script(name: str) -> Script:
    return Script.of((files("ratelimit.responses") / "lua" / f"{name}.lua").read_text(encoding="utf-8"))

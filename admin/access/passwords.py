"""Passwords: argon2id hashes, made and checked off the event loop, as many at a time as the machine can bear.

Checking a password for an unknown account takes exactly as long as for a known one.
"""

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

# Of OWASP's recommended parameters (Password Storage Cheat Sheet); each check takes 19 MiB while it runs.
TIME_COST, MEMORY_KIB, LANES = 2, 19_456, 1
AT_ONCE = 2
MOST_WAITING = 16  # at some 50 ms each, later ones would not be answered in time
MIN_CHARACTERS, MAX_CHARACTERS = 12, 256


class TooBusy(Exception):
    """Too many passwords are waiting to be checked."""


class Passwords:
    """One for a process; its threads end with `close`."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(AT_ONCE, "passwords")
        self._waiting = 0
        self._of_nobody = of_nobody()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """TooBusy."""
        return await self._beside(self._hasher.hash, password)

    async def check(self, password: str, stored: str | None) -> bool:
        """Whether it is the one that was hashed; never, and after the same work, if nothing is stored.  TooBusy."""
        matches = await self._beside(self._verify, password, stored or self._of_nobody)
        return matches and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _beside(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= MOST_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1


def of_nobody() -> str:
    """A hash in today's format that no password matches, made without hashing one."""
    salt, digest = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p={LANES}${salt}${digest}"

"""Running the Lua scripts: on one Redis, or on a cluster each call on the node that holds its keys.

Knows nothing of what the scripts do.  Every failure of Redis leaves here as BudgetsUnavailable or as a missing reply.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import structlog
from hiredis import pack_command
from msgspec import Struct
from redis import Redis, RedisCluster
from redis.exceptions import AskError, MovedError, NoScriptError

from ratelimit.budgets.port import BudgetsUnavailable
from store.redis import UNAVAILABLE

log = structlog.get_logger(__name__)

Client = Redis | RedisCluster
SCAN_COUNT = 1000
REOPEN_SECONDS = 1.0  # minimum interval between two readings of a cluster's layout, each of several nodes


@dataclass(frozen=True, slots=True)
class Script:
    """`sha` names it to a Redis that already knows it."""

    source: str
    sha: str

    @staticmethod
    def read(*names: str) -> "Script":
        """The named files of `lua/`, joined."""
        folder = files("ratelimit.budgets") / "lua"
        return Script.of("\n".join((folder / f"{name}.lua").read_text(encoding="utf-8") for name in names))

    @staticmethod
    def of(source: str) -> "Script":
        # The protocol's name for a script, not a protection.
        return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class Step(Struct, frozen=True):
    """KEYS and ARGV of one script call."""

    keys: list[str]
    arguments: Sequence[str | int | bytes]


class Runner:
    """`open_client` is called on first use and, for a cluster, again when its layout may have changed.  Its clients
    must have a socket timeout, and return bytes.  As thread-safe as they are."""

    def __init__(self, open_client: Callable[[], Client]) -> None:
        self._open_client = open_client
        self._client: Client | None = None
        self._spare: list[Any] = []  # connections of ours that are not in use
        self._reopen_at = 0.0

    @property
    def by_owner(self) -> bool:
        """Whether a call may only touch the keys of one owner."""
        return isinstance(self._opened(), RedisCluster)

    def run(self, script: Script, steps: Sequence[Step]) -> list[Any]:
        """Each step's reply, None for a step whose node did not answer.  BudgetsUnavailable if no node answers."""
        client = self._opened()
        if isinstance(client, RedisCluster):
            return self._run_on_cluster(client, script, steps)
        try:
            return [self._call_directly(client, script, step) for step in steps]
        except UNAVAILABLE as error:
            raise BudgetsUnavailable(repr(error)) from error

    def ping(self) -> None:
        """BudgetsUnavailable unless Redis answers.  On a cluster, one node is enough: a dead one must not stop what the
        others hold."""
        if not any(map(_answers, _primaries(self._opened()))):
            self._follow_layout()
            raise BudgetsUnavailable("redis does not answer")

    def holds(self, key: str) -> bool:
        """Whether the key exists; BudgetsUnavailable."""
        try:
            return bool(self._opened().exists(key))
        except UNAVAILABLE as error:
            raise BudgetsUnavailable(repr(error)) from error

    def pages(self, pattern: str) -> Iterator[list[str]]:
        """The names of the matching sorted sets in pages, from every node; pages may be empty and names may repeat."""
        client = self._opened()
        try:
            for node in _primaries(client):
                cursor = -1
                while cursor != 0:
                    cursor, names = node.scan(max(cursor, 0), match=pattern, count=SCAN_COUNT, _type="zset")
                    yield [name.decode() if isinstance(name, bytes) else name for name in names]
        except UNAVAILABLE as error:
            raise BudgetsUnavailable(repr(error)) from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()  # its connections too, wherever they are
            self._client = None
            self._spare.clear()

    def _opened(self) -> Client:
        if self._client is None:
            try:
                self._client = self._open_client()  # a cluster is asked for its layout here
            except UNAVAILABLE as error:
                raise BudgetsUnavailable(repr(error)) from error
        return self._client

    def _call_directly(self, client: Redis, script: Script, step: Step) -> Any:
        """`_call` without what redis-py does around every command (retries, hooks, options, its pool), which costs as
        much as the command itself."""
        command: Any = ("EVALSHA", script.sha, len(step.keys), *step.keys, *step.arguments)
        packed = [pack_command(command)]
        connection = self._taken(client)
        try:
            connection.send_packed_command(packed, check_health=False)
            reply = connection.read_response()
        except NoScriptError:
            self._spare.append(connection)
            return _call(client, script, step)
        except UNAVAILABLE:
            client.connection_pool.release(connection)
            raise
        self._spare.append(connection)
        return reply

    def _taken(self, client: Redis) -> Any:
        """A connection of the client's that nobody else is using."""
        try:
            connection = self._spare.pop()
        except IndexError:
            return client.connection_pool.get_connection()
        try:
            stale = connection.can_read()  # an answer that nobody waited for has arrived
        except UNAVAILABLE:  # Redis has closed it
            stale = True
        if stale:
            connection.disconnect()  # it connects again when it is used
        return connection

    def _run_on_cluster(self, cluster: RedisCluster, script: Script, steps: Sequence[Step]) -> list[Any]:
        replies: list[Any] = [None] * len(steps)
        failures: list[Exception] = []
        for node, indexes in _by_node(cluster, steps, failures):
            try:
                for i, reply in zip(indexes, _pipelined(node, script, [steps[i] for i in indexes]), strict=True):
                    replies[i] = _redirected(cluster, script, steps[i], reply)
            except UNAVAILABLE as error:
                failures.append(error)
        if failures:
            self._follow_layout()
            if all(reply is None for reply in replies):
                self.ping()
        return replies

    def _follow_layout(self) -> None:
        """Asks for the layout, since another node may hold a slot now.  If that fails, the known layout stays."""
        if not isinstance(self._client, RedisCluster) or time.monotonic() < self._reopen_at:
            return
        self._reopen_at = time.monotonic() + REOPEN_SECONDS
        try:
            client = self._open_client()
        except UNAVAILABLE as error:
            log.warning("the cluster's layout cannot be read", reason=repr(error))
            return
        self._client.close()
        self._client = client


def _by_node(cluster: RedisCluster, steps: Sequence[Step], failures: list[Exception]) -> list[tuple[Redis, list[int]]]:
    """The steps' indexes by the node that holds their keys; a slot without a node is added to `failures`."""
    groups: dict[str, tuple[Redis, list[int]]] = {}
    for i, step in enumerate(steps):
        try:
            node = cluster.get_node_from_key(step.keys[0])  # type: ignore[no-untyped-call]
        except UNAVAILABLE as error:
            failures.append(error)
            continue
        groups.setdefault(node.name, (cluster.get_redis_connection(node), []))[1].append(i)
    return list(groups.values())


def _call(client: Client, script: Script, step: Step) -> Any:
    try:
        return client.evalsha(script.sha, len(step.keys), *step.keys, *step.arguments)
    except NoScriptError:  # Redis was restarted; EVAL also teaches it the script
        return client.eval(script.source, len(step.keys), *step.keys, *step.arguments)


def _pipelined(node: Redis, script: Script, steps: Sequence[Step]) -> list[Any]:
    """Each step's reply or error, in one round trip."""
    with node.pipeline(transaction=False) as pipeline:
        for step in steps:
            pipeline.evalsha(script.sha, len(step.keys), *step.keys, *step.arguments)
        return list(pipeline.execute(raise_on_error=False))


def _redirected(cluster: RedisCluster, script: Script, step: Step, reply: Any) -> Any:
    """Runs a step once more, on its own: its slot has moved, or its node does not know the script."""
    if isinstance(reply, MovedError | AskError | NoScriptError):
        return _call(cluster, script, step)
    if isinstance(reply, Exception):
        raise reply
    return reply


def _answers(node: Redis) -> bool:
    try:
        return bool(node.ping())
    except UNAVAILABLE:
        return False


def _primaries(client: Client) -> list[Redis]:
    if isinstance(client, RedisCluster):
        return [client.get_redis_connection(node) for node in client.get_primaries()]  # type: ignore[no-untyped-call]
    return [client]

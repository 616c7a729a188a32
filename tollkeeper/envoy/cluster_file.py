"""Keeps the file of clusters, of models and MCP servers, as the catalog says, for Envoy, which reads it whenever it is
replaced.

A file, and not a stream of ours to Envoy: it is there when an Envoy starts while no sidecar is, so the last good
configuration survives both.  What cannot be rendered now (a secret that is gone) stays as it was.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from tenancy.resolving.catalog import KnownModels
from tenancy.values.endpoint import BadEndpoint
from tenancy.values.mcp import McpServer, cluster_of_server
from tenancy.values.upstream import Upstream, cluster_of
from tollkeeper.envoy.credentials import Credentials
from tollkeeper.envoy.mcp_servers import server_cluster
from tollkeeper.envoy.models import Fields, Files, MissingCredential, cluster
from tollkeeper.envoy.render import EMPTY, MARK, SECRET_MODE, replace_file

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.1  # of a change that should be in force within a second
LOOK_SECONDS = 2.0  # at secrets, and at a file that something else may have replaced
LINGER_SECONDS = 5.0  # of a cluster that is not wanted any more: other processes may not have heard of it yet


NO_SERVERS: Mapping[str, McpServer] = {}


class Wanted(NamedTuple):
    """A cluster that is to be there.  `of`: what people call that which it is for."""

    name: str
    of: str
    upstream: Upstream
    render: Callable[[Files], Fields]


class ClusterFile:
    """`path`: of the file.  `ca`: see cluster().  `seal_key`: of the seals of MCP sessions.  For one process of a
    sidecar, on its background loop."""

    def __init__(
        self,
        path: Path,
        credentials: Credentials,
        ca: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        seal_key: bytes = b"",
    ) -> None:
        self._path, self._credentials, self._ca, self._clock = path, credentials, ca, clock
        self._seal_key = seal_key
        self._unwanted: dict[str, float] = {}  # since when, by the name of the cluster
        self._said: set[str] = set()
        self._kept: list[str] = []  # of what keeps its endpoints from before, why
        self.wrong: list[str] = []
        """What cannot be as it should, in words."""

    async def keep(self, known: Callable[[], KnownModels | None], leaving: Callable[[], bool]) -> None:
        """Until cancelled, or until this process leaves its place to another."""
        last, look_at = None, 0.0
        while not leaving():
            latest = known()
            if latest is not None and (latest is not last or self._clock() >= look_at):
                last, look_at = latest, self._clock() + LOOK_SECONDS
                try:
                    self.write(latest.upstreams, latest.servers)
                except OSError as error:
                    self._say([*self._kept, f"{self._path} cannot be written: {error.strerror}"])
                except UnicodeError:
                    self._say([f"{self._path} is not UTF-8: mend or delete it, no change gets to Envoy until then"])
            await asyncio.sleep(TICK_SECONDS)

    def write(self, upstreams: Mapping[str, Upstream], servers: Mapping[str, McpServer] = NO_SERVERS) -> bool:
        """Whether there was something to change.  OSError; UnicodeError for a file that somebody else has spoilt."""
        changed = self._write(upstreams, servers)
        self._say(self._kept)
        return changed

    def _write(self, upstreams: Mapping[str, Upstream], servers: Mapping[str, McpServer]) -> bool:
        text = self._path.read_text() if self._path.exists() else EMPTY
        head, _, ours = text.partition(MARK)
        before = {name: line for line in ours.splitlines() if line.startswith("- ") and (name := _name(line))}
        lines = self._lines([*self._models(upstreams), *self._servers(servers)], before)
        lines |= self._lingering(before, lines)
        new = head + MARK + "".join(f"{line}\n" for line in lines.values())
        if new == text:
            return False
        replace_file(self._path, new, SECRET_MODE, exactly=True)
        self._credentials.forget(lambda path: path_in(new, path) or path_in(text, path))
        return True

    def _models(self, upstreams: Mapping[str, Upstream]) -> Iterator[Wanted]:
        for model, upstream in sorted(upstreams.items()):
            if upstream.endpoints:
                render = partial(cluster, model, upstream, ca=self._ca)
                yield Wanted(cluster_of(model), f"the model {model}", upstream, render)

    def _servers(self, servers: Mapping[str, McpServer]) -> Iterator[Wanted]:
        seal_file = self._credentials.keep(self._seal_key) if servers else ""
        for name, server in sorted(servers.items()):
            render = partial(server_cluster, name, server, ca=self._ca, seal_file=seal_file)
            yield Wanted(cluster_of_server(name), f"the MCP server {name}", server.upstream, render)

    def _lines(self, wanted: Iterable[Wanted], before: Mapping[str, str]) -> dict[str, str]:
        """By the name of the cluster."""
        wanted = list(wanted)
        files = self._credentials.place({name for each in wanted for name in credentials_of(each.upstream)})
        found, wrong = dict[str, str](), list[str]()
        for name, of, _, render in wanted:
            try:
                found[name] = "- " + json.dumps(render(files))
            except BadEndpoint as error:
                wrong.append(f"{of} keeps its endpoints from before: {error}")
            except MissingCredential as error:
                why = self._credentials.wrong_with(str(error.args[0]))
                wrong.append(f"{of} keeps its endpoints from before: {why}")
            if name not in found and name in before:
                found[name] = before[name]
        self._kept = wrong
        return found

    def _lingering(self, before: Mapping[str, str], lines: Mapping[str, str]) -> dict[str, str]:
        now = self._clock()
        self._unwanted = {name: self._unwanted.get(name, now) for name in before if name not in lines}
        return {name: before[name] for name, since in self._unwanted.items() if now - since < LINGER_SECONDS}

    def _say(self, wrong: list[str]) -> None:
        for each in set(wrong) - self._said:
            log.warning(each)
        self._said, self.wrong = set(wrong), wrong


def credentials_of(upstream: Upstream) -> Iterable[str]:
    named = (upstream.credential, *(each.credential for each in upstream.endpoints))
    return filter(None, named)


def path_in(text: str, path: str) -> bool:
    """Whether a script in the file reads `path`: its name is of letters and digits alone."""
    return Path(path).name in text


def _name(line: str) -> str:
    """ "" for one that cannot be read: it is as good as not there, and written anew."""
    try:
        return str(json.loads(line.removeprefix("- "))["name"])
    except (ValueError, TypeError, KeyError):
        return ""

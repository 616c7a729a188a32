"""A sidecar's answers to the question whether the endpoints of a model could be reached from here."""

import asyncio
import json
import socket
import tempfile
from pathlib import Path

import structlog

from store.redis import UNAVAILABLE
from tenancy.redis.trials import RedisTrials, Trial
from tenancy.values.endpoint import Place, forbidden, is_ip, parse_endpoint
from tenancy.values.upstream import Upstream
from tollkeeper.envoy.cluster_file import credentials_of
from tollkeeper.envoy.credentials import Credentials
from tollkeeper.envoy.models import cluster
from tollkeeper.envoy.render import InvalidEnvoyConfig, validate
from tollkeeper.wheels import MissingWheel, envoy_binary

log = structlog.get_logger(__name__)

AT_ONCE = 8  # questions that wait; of more the rest get no answer
RESOLVE_SECONDS = 3.0
UNREADABLE = (ValueError, TypeError, KeyError, IndexError)
NO_NAME = "{} resolves to nothing where Envoy runs"


class Trials:
    """A Listener.  `ca`: see cluster()."""

    def __init__(self, port: RedisTrials, credentials: Credentials, ca: str, *, link_local: bool) -> None:
        self._port, self._credentials, self._ca, self._link_local = port, credentials, ca, link_local
        self._waiting, self._one = set[asyncio.Task[None]](), asyncio.Lock()

    def subscribed(self) -> None:
        """The caller has gone on without an answer meanwhile."""

    def invalidate(self, message: str) -> None:
        try:
            trial = Trial.load(message)
        except UNREADABLE:
            return
        if len(self._waiting) < AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._answer(trial), name="trial of a model")
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _answer(self, trial: Trial) -> None:
        try:
            async with self._one:
                await self._port.answer(trial, await self.wrong_with(trial.model, trial.upstream))
        except UNAVAILABLE as error:
            log.info("a trial of a model was not answered", error=f"{type(error).__name__}: {error}")
        except Exception:  # the top of a background task
            log.exception("a trial of a model failed")

    async def wrong_with(self, model: str, upstream: Upstream) -> str:
        """In words; "" if nothing is."""
        places = [parse_endpoint(each.url) for each in upstream.endpoints]
        for name in credentials_of(upstream):
            if wrong := self._credentials.wrong_with(name):
                return wrong
        for place in places:
            if wrong := await self._wrong_at(place):
                return wrong
        if not any(place.tls for place in places):
            return ""  # nothing of it is not known here to be as Envoy wants it
        return await asyncio.to_thread(self._refused, model, upstream)

    async def _wrong_at(self, place: Place) -> str:
        if is_ip(place.host):
            return ""  # was looked at when it was asked for
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return NO_NAME.format(place.host)
        addresses = {str(each[4][0]).partition("%")[0] for each in found}
        if self._link_local:
            return ""
        return next((f"{place.host}: {why}" for each in sorted(addresses) if (why := forbidden(each))), "")

    def _refused(self, model: str, upstream: Upstream) -> str:
        """Envoy's words, if its executable is here."""
        try:
            binary = envoy_binary()
        except MissingWheel:
            return ""
        files = self._credentials.place(credentials_of(upstream))
        found = cluster(model, upstream, files, self._ca)
        del found["@type"]
        with tempfile.TemporaryDirectory(prefix="tollkeeper-trial-") as directory:
            config = Path(directory, "bootstrap.json")
            config.write_text(json.dumps({"static_resources": {"clusters": [found]}}))
            try:
                validate(config, binary)
            except InvalidEnvoyConfig as error:
                return f"Envoy refuses it: {_words(str(error), str(config))}"
        return ""


def _words(complaint: str, config: str) -> str:
    """What Envoy says, without the line of its log that it is in."""
    return complaint.rpartition(f"'{config}': ")[2] or complaint

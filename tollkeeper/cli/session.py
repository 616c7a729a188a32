"""One run of a command: its connection to the API, its printer, and the person who can be asked.  No resource here."""

import ssl
import sys
from dataclasses import dataclass

import typer

from serving.tls_files import CHAIN, KEY
from tollkeeper.cli.client import Answer, Client
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.printer import Printer
from tollkeeper.config import BadSettings, Settings, read_settings


@dataclass(frozen=True, slots=True)
class Session:
    """What a command talks to: the API, and the reader of the output."""

    client: Client
    show: Printer

    def changed(self, answer: Answer, secret: str | None = None) -> None:
        """Shows what a change has led to.  Its field `secret` is for people a line of its own, the last."""
        if secret is None or self.show.as_json:
            self.show.one(answer.body)
        else:
            self.show.one(next(value for name, value in answer.body.items() if name != secret))
            self.show.note(f"\nThe {secret}, shown this once:")
            typer.echo(answer.body[secret])
        self.note_pending(answer)

    def note_pending(self, answer: Answer) -> None:
        if answer.headers.get("tollkeeper-propagation") == "pending":
            self.show.note("Redis cannot be reached: sidecars hear of it as soon as it is back")
        if notice := answer.headers.get("tollkeeper-notice"):
            self.show.note(f"note: {notice}")


def connect(api: str | None, idempotency_key: str | None) -> Client:
    """The API at `api`, or where the settings say; CommandFailed if they are bad or lack the token."""
    try:
        settings = read_settings()
    except BadSettings as error:
        first, *rest = str(error).splitlines()
        raise CommandFailed(Exit.USAGE, first, rest) from None
    if settings.admin_token is None:
        raise CommandFailed(Exit.USAGE, "TOLLKEEPER_ADMIN_TOKEN: not set; it is the token for the management API")
    url, token = api or settings.api_url, settings.admin_token.get_secret_value()
    return Client(url, token, idempotency_key=idempotency_key, tls=_tls(settings))


def _tls(settings: Settings) -> ssl.SSLContext | None:
    ca, own = settings.api_ca, settings.api_tls_dir
    if not (ca or own):
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if own:
            context.load_cert_chain(own / CHAIN, own / KEY)
    except OSError as error:  # ssl.SSLError is one
        names = ", ".join(f"TOLLKEEPER_{name}" for name, path in (("API_CA", ca), ("API_TLS_DIR", own)) if path)
        raise CommandFailed(Exit.USAGE, f"{names}: not to be used: {error}") from None
    return context


def confirm(question: str, yes: bool) -> None:
    """Asks the person; CommandFailed if there is none, or the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(Exit.USAGE, f"{question}  Nobody is there to ask: say --yes")
    if not typer.confirm(question, err=True):
        raise CommandFailed(Exit.FAILED, "nothing was changed")

"""TLS to the stores: the files that their URLs name, and what to trust by them.

A new connection reads the files anew, so they can be replaced at any time; while they cannot be used (half of them are
written), it uses them as they were before.  If a URL names a CA, only that one is trusted: redis-py would add it to the
system's.
"""

import os
import ssl
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import structlog

log = structlog.get_logger(__name__)

POSTGRES_FILES = ("sslrootcert", "sslcert", "sslkey")
REDIS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_cert_reqs")
MAX_CONTEXTS = 16
_VERIFIED = {"verify-ca": False, "verify-full": True}  # of libpq, with whether the name of the host is checked too
# A handshake that was cut.
_PASSING = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)

_Stamp = tuple[int, int, int]
_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}
# By the files that a URL names: the last usable context, and what was logged about the files since.
_usable: dict[tuple[object, ...], ssl.SSLContext] = {}
_said: dict[tuple[object, ...], str] = {}


class BadTlsFile(OSError):
    """The text names the option of the URL and its file, and says what is wrong with it."""


class Secured(Protocol):
    """What redis-py knows of a connection with TLS."""

    @property
    def ca_certs(self) -> str | None: ...
    @property
    def certfile(self) -> str | None: ...
    @property
    def keyfile(self) -> str | None: ...
    @property
    def check_hostname(self) -> bool: ...
    @property
    def cert_reqs(self) -> ssl.VerifyMode: ...


def redis_context(connection: Secured) -> ssl.SSLContext:
    """One context for all connections, until a file changes: reading the system's CAs takes 20 ms.  BadTlsFile."""
    files = (connection.ca_certs, connection.certfile, connection.keyfile)
    return context_of(REDIS_OPTIONS, *files, (connection.check_hostname, connection.cert_reqs))


def context_of(
    options: Sequence[str],
    ca: str | None,
    chain: str | None,
    key: str | None,
    checked: tuple[bool, ssl.VerifyMode] = (True, ssl.CERT_REQUIRED),
) -> ssl.SSLContext:
    """The same as long as the files are.  `options`: what a URL calls the three.  `checked`: the host's name, and how
    the other side's certificate.  BadTlsFile, if they could not be used before either."""
    named = (ca, chain, key, checked)
    try:
        stamps = tuple(_stamp(name, path) for name, path in zip(options, (ca, chain, key), strict=False))
        if (known := _contexts.get((*named, stamps))) is not None:
            return known
        context = _loaded(ca, chain, key)
    except BadTlsFile as error:
        return _before(named, error)
    context.check_hostname, context.verify_mode = checked
    _keep(_contexts, (*named, stamps), context)
    _remember(named, context)
    return context


def check_postgres_files(url: str) -> ssl.SSLContext | None:
    """What is in them, None if the URL names neither a CA nor a certificate.  BadTlsFile, since asyncpg does not say
    which file it is that cannot be used."""
    named = dict(parse_qsl(urlsplit(url).query))
    ca, chain, key = (named.get(name) for name in POSTGRES_FILES)
    for name in POSTGRES_FILES:
        _stamp(name, named.get(name))
    if not ca and not chain:
        return None
    return _loaded(ca, chain, key, named.get("sslpassword", ""), system=False)


def postgres_before(url: str) -> ssl.SSLContext | None:
    """None if the files can be used: asyncpg reads them itself.  Otherwise what was in them when they last could be,
    for a URL that verifies the server.  BadTlsFile, if there is nothing."""
    named = dict(parse_qsl(urlsplit(url).query))
    try:
        context = check_postgres_files(url)
    except BadTlsFile as error:
        return _before((url,), error)
    mode = named.get("sslmode", "")
    if context is not None and mode in _VERIFIED and "sslrootcert" in named and "sslcrl" not in named:
        context.check_hostname = _VERIFIED[mode]
        _remember((url,), context)
    return None


def tls_error(failure: BaseException | None) -> OSError | None:
    """The TLS error behind a driver's error that will not pass by itself.  Errors of aiohttp claim to be of `ssl`, and
    have the real one as their cause."""
    while failure is not None:
        real = isinstance(failure, BadTlsFile) or type(failure).__module__ == ssl.__name__
        if real and isinstance(failure, OSError) and not isinstance(failure, _PASSING):
            return failure
        failure = failure.__cause__ or failure.__context__
    return None


def in_words(store: str, setting: str, error: OSError) -> str:
    """A sentence on such an error: what is wrong first, then the library's words in parentheses."""
    if isinstance(error, BadTlsFile):
        return f"{store} is not asked, since {setting} names a file for TLS that cannot be used ({error})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{store} is not trusted: its certificate is not what {setting} asks for ({error.verify_message})"
    return f"{store} and {setting} do not agree on TLS ({error.reason if isinstance(error, ssl.SSLError) else error})"


def _loaded(
    ca: str | None, chain: str | None, key: str | None, password: str = "", *, system: bool = True
) -> ssl.SSLContext:
    """With a password always: OpenSSL would ask the terminal for one."""
    try:
        context = ssl.create_default_context(cafile=ca) if ca or system else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if chain:
            context.load_cert_chain(chain, key, password)
    except OSError as error:  # ssl.SSLError is one
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise BadTlsFile(f"{', '.join(path for path in (ca, chain, key) if path)}: {why}") from error
    return context


def _keep(
    contexts: dict[tuple[object, ...], ssl.SSLContext], name: tuple[object, ...], context: ssl.SSLContext
) -> None:
    if len(contexts) >= MAX_CONTEXTS:
        contexts.clear()
    contexts[name] = context


def _remember(named: tuple[object, ...], context: ssl.SSLContext) -> None:
    """Notes that the files can be used."""
    _keep(_usable, named, context)
    _said.pop(named, None)


def _before(named: tuple[object, ...], error: BadTlsFile) -> ssl.SSLContext:
    """What was in the files when they last could be used; raises the error if they never could.  Logged once."""
    if named not in _usable:
        raise error
    if _said.get(named) != str(error):
        _said[named] = str(error)
        log.warning("the certificates before stay in use", error=str(error))
    return _usable[named]


def _stamp(name: str, path: str | None) -> _Stamp | None:
    """What is another when the file is."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            found = os.stat(file.fileno())
    except OSError as error:
        raise BadTlsFile(f"{name}={path}: {error.strerror}") from error
    return found.st_ino, found.st_mtime_ns, found.st_size

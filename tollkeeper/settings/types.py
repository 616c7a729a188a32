"""What the values of settings may be.  Pure: the environment is read in config.py."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from store.clickhouse import address_of, has_client
from store.tls import REDIS_OPTIONS

SURFACES = (
    "key-manager",
    "portal",
    "chat-api",
    "openai-admin",
    "console",
)  # beside the management API, as admin/surfaces.py has them
PREFIX = "TOLLKEEPER_"  # of every variable
ALL, NONE = "all", "none"
MIN_SECRET = 32  # characters
MIN_TOKEN = 8
MAX_ISSUER = 200  # characters
PORTAL_HOSTS = ("region", "metrics_host", "logs_host", "traces_host")

MAX_KEY_HEADERS = 8
# None that Envoy, the guard or authz sets or removes by itself, or that has other text in it.
KEY_HEADER = re.compile(
    r"(?!x-envoy-|x-forwarded-|proxy-|content-|accept|sec-|access-control-)"
    r"(?!(x-(tenant|key|user|end-user|request)-id|x-fairshare-group|x-http-method(-override)?|x-method-override"
    r"|x-original-url|x-rewrite-url|host|cookie|connection|upgrade|te|transfer-encoding|expect|origin|referer|via)\Z)"
    r"[a-z0-9][a-z0-9-]{0,63}"
)

EngineKind = Literal["auto", "http2", "completion_queue", "threads"]
AccessLog = Literal["file", "both"]
Undelivered = Literal["charge", "refund"]
FailureMode = Literal["deny", "allow", "local"]
OtlpNames = Literal["current", "old", "both"]
RateHeaders = Literal["vendor", "ietf", "both"]
LogLevel = Literal["debug", "info", "warning", "error"]


def listen_address(text: str) -> str:
    host, separator, port = text.rpartition(":")
    if not (separator and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:9090")
    return text


def url_with(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must be a URL with one of the schemes {', '.join(schemes)}")
        return value

    return AfterValidator(check)


def ledger_url(value: str) -> str:
    address_of(value)
    if not has_client():
        raise ValueError("needs the client of ClickHouse: install tollkeeper with the extra `clickhouse`")
    return value


def redis_options(value: str) -> str:
    """Of those for TLS only what store/tls.py heeds: none is dropped in silence."""
    query = urlsplit(value).query
    unknown = [name for name, _ in parse_qsl(query) if name.startswith("ssl_") and name not in REDIS_OPTIONS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such option of TLS; there are {', '.join(REDIS_OPTIONS)}")
    return value


def origins(text: str) -> str:
    wrong = [each for each in text.split(",") if not re.fullmatch(r"\*|https?://[A-Za-z0-9.-]+(:\d+)?", each.strip())]
    if wrong:
        raise ValueError("must be origins such as https://console.example.com, separated by commas")
    return text


def grpc_secret(secret: SecretStr) -> SecretStr:
    """It goes into YAML and into a header, in which Envoy reads `%` as a command."""
    if not all(re.fullmatch(r"[A-Za-z0-9._~+/=-]{32,256}", each) for each in split(secret.get_secret_value())):
        raise ValueError("must be 32 to 256 characters of A-Za-z0-9._~+/=-, or two such with a comma between them")
    return secret


def key_headers(text: str) -> str:
    names = split(text.lower())
    if len(names) > MAX_KEY_HEADERS or not all(KEY_HEADER.fullmatch(name) for name in names):
        raise ValueError(
            f"must be at most {MAX_KEY_HEADERS} names of headers, separated by commas, and none that something else is"
            " said in (x-tenant-id, host, cookie, x-envoy-…)"
        )
    return ",".join(names)


def surfaces(text: str) -> str:
    unknown = [] if text in (ALL, NONE) else [each for each in split(text) if each not in SURFACES]
    if unknown or not text.strip():
        raise ValueError(f"must be {ALL}, {NONE}, or some of {', '.join(SURFACES)}, separated by commas")
    return text


def names(text: str) -> str:
    wrong = [each for each in split(text) if each and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", each)]
    if wrong:
        raise ValueError("must be names of variables, separated by commas")
    return text


def split(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.strip() for each in text.split(",")))


def pairs_of(text: str) -> dict[str, str]:
    found = (each.partition("=") for each in text.split(","))
    return {name.strip(): value.strip() for name, _, value in found}


def otlp_headers(secret: SecretStr) -> SecretStr:
    """They go into HTTP as they are."""
    for name, value in pairs_of(secret.get_secret_value()).items():
        if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
            raise ValueError("must be NAME=VALUE, separated by commas, in printable ASCII")
    return secret


def currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError("must be a currency's three letters (ISO 4217), such as USD or EUR")
    return text


def issuer(text: str) -> str:
    if not text.isprintable() or not 0 < len(text.strip()) <= MAX_ISSUER:
        raise ValueError(f"must be a name: 1 to {MAX_ISSUER} printable characters")
    return text.strip()


def log_file(text: object) -> object:
    return None if text in ("", "none") else text


def admin_token(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < MIN_TOKEN:
        raise ValueError(
            f"must have {MIN_TOKEN} characters or more; `openssl rand -hex 24` makes one that nobody can guess"
        )
    return secret


def portal_secrets(secret: SecretStr) -> SecretStr:
    if any(len(each.strip()) < MIN_SECRET for each in secret.get_secret_value().split(",")):
        raise ValueError(f"must be {MIN_SECRET} characters or more, and so must another one behind a comma")
    return secret


def portal_hosts(text: str) -> str:
    pairs = [each.partition("=") for each in text.split(",")]
    if any(name.strip() not in PORTAL_HOSTS or not value.strip() for name, _, value in pairs):
        raise ValueError(f"must be NAME=VALUE, separated by commas, with names of {', '.join(PORTAL_HOSTS)}")
    return text


AdminToken = Annotated[SecretStr, AfterValidator(admin_token)]
PortalSecrets = Annotated[SecretStr, AfterValidator(portal_secrets)]
OtlpHeaders = Annotated[SecretStr, AfterValidator(otlp_headers)]
PortalHosts = Annotated[str, AfterValidator(portal_hosts)]
LogFile = Annotated[Path | None, BeforeValidator(log_file)]
Origins = Annotated[str, AfterValidator(origins)]
GrpcSecret = Annotated[SecretStr, AfterValidator(grpc_secret)]
Names = Annotated[str, AfterValidator(names)]
KeyHeaders = Annotated[str, AfterValidator(key_headers)]
Surfaces = Annotated[str, AfterValidator(surfaces)]
Currency = Annotated[str, AfterValidator(currency)]
Issuer = Annotated[str, AfterValidator(issuer)]
ListenAddress = Annotated[str, AfterValidator(listen_address)]
RedisUrl = Annotated[
    str, url_with("redis", "rediss", "unix", "redis+cluster", "rediss+cluster"), AfterValidator(redis_options)
]
ApiUrl = Annotated[str, url_with("http", "https")]
LedgerUrl = Annotated[str, AfterValidator(ledger_url)]
DatabaseUrl = Annotated[str, url_with("postgresql", "postgres")]

"""The types of fields in requests and answers of any surface, with their bounds.  No route and no query here."""

import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.json_schema import WithJsonSchema

from admin.commands.directory import ID
from admin.commands.rules import MAX_REQUESTS, MAX_TOKENS
from tenancy.directory.users import USER_ID

# By its name.  What is registered is shown to everybody who may read, and is in the audit log.
CREDENTIAL = re.compile(r"auth|cookie|secret|token|passw|credential|api-?_?key", re.IGNORECASE)
DIGITS = re.compile(r"[0-9]{1,18}")
MAX_WEIGHT = MAX_IN_FLIGHT = 10**6
MAX_QUEUE_SECONDS = 600
PRICE = re.compile(r"^[0-9]{1,12}(\.[0-9]{1,8})?$")


class Body(BaseModel):
    """What a request holds: a field that is not known is refused by name."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """What an answer shows of a value, field by field in this order."""

    model_config = ConfigDict(from_attributes=True)


def is_printable(text: str) -> bool:
    """No control characters (Cc holds NUL, which Postgres cannot store) and no half characters (Cs, not UTF-8)."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def printable(text: str) -> str:
    if not is_printable(text):
        raise ValueError("must not hold control characters")
    return text


def moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2030-01-31T00:00:00Z")
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise ValueError
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time with its zone, such as 2030-01-31T00:00:00Z") from None


def whole(value: object) -> object:
    if isinstance(value, str) and not DIGITS.fullmatch(value):
        raise ValueError("must be a whole number")
    return value


def _expiry(value: object) -> datetime:
    time = moment(value)
    if time <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return time


def rfc3339(time: datetime) -> str:
    """UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money(amount: Decimal) -> str:
    """Exact, without an exponent and without zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in text):
        raise ValueError("must be a URL such as https://example.com/path")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password")
    if any(CREDENTIAL.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ValueError("must not hold a credential; secrets are not kept here")
    return text


def _price(value: object) -> Decimal:
    if not isinstance(value, str) or not PRICE.fullmatch(value):
        raise ValueError('must be a decimal in a string, such as "0.15", with at most 8 decimals')
    return Decimal(value)


Printable = Annotated[str, AfterValidator(printable)]
Text = Annotated[str, StringConstraints(max_length=1000), AfterValidator(printable)]
HttpUrl = Annotated[
    str,
    StringConstraints(max_length=2048),
    AfterValidator(printable),
    AfterValidator(_http_url),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": 2048, "pattern": "^https?://"}),
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(printable)]
ModelName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256), AfterValidator(printable)
]
ServiceTier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
AnyId = Annotated[str, StringConstraints(pattern=f"^{ID.pattern}$")]
GroupName = AnyId
UserId = Annotated[str, StringConstraints(pattern=f"^{USER_ID.pattern}$")]
Email = Annotated[str, StringConstraints(max_length=320, pattern=r"^[^\s@]+@[^\s@]+$"), AfterValidator(printable)]
Weight = Annotated[int, Field(strict=True, ge=1, le=MAX_WEIGHT)]
Tokens = Annotated[int, Field(strict=True, ge=1, le=MAX_TOKENS)]
Requests = Annotated[int, Field(strict=True, ge=1, le=MAX_REQUESTS)]
InFlight = Annotated[int, Field(strict=True, ge=1, le=MAX_IN_FLIGHT)]
QueueSeconds = Annotated[int, Field(strict=True, ge=0, le=MAX_QUEUE_SECONDS)]
# Of a query string.  Python reads 1_0 and 5.0 too.
Whole = Annotated[int, BeforeValidator(whole)]
Flag = Annotated[bool, Field(strict=True)]
TIME_EXAMPLES = ["2030-01-31T00:00:00Z"]
Moment = Annotated[datetime, BeforeValidator(moment), Field(examples=TIME_EXAMPLES)]
Expiry = Annotated[datetime, BeforeValidator(_expiry), Field(examples=TIME_EXAMPLES)]
Time = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-15T10:00:00Z"]}),
]
# For a million tokens.  A number would lose digits on its way through JSON.
Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    WithJsonSchema({"type": "string", "pattern": PRICE.pattern, "examples": ["0.15"]}),
]


class Prices(Body):
    """Of each kind; what is not given costs what the whole does (tenancy/values/prices.py)."""

    input_price: Price | None = None
    output_price: Price | None = None
    cached_price: Price | None = None
    cache_write_5m_price: Price | None = None
    cache_write_1h_price: Price | None = None
    reasoning_price: Price | None = None
    audio_input_price: Price | None = None
    audio_output_price: Price | None = None
    image_input_price: Price | None = None
    image_output_price: Price | None = None
    image_price: Price | None = None
    request_price: Price | None = None
    search_price: Price | None = None

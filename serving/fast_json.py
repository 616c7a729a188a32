"""JSON at the speed of C, for what each request has read and written.

Reads what the standard library reads: where msgspec refuses a text (a number beyond a double, half of a surrogate
pair), the standard library is asked too, and gives such numbers as their text.
"""

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_decode_any = json.JSONDecoder(parse_float=str).decode
_encode = msgspec.json.Encoder().encode


def read_json(text: str) -> Any:
    """ValueError; RecursionError."""
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return _decode_any(text)


def json_of(value: object) -> str:
    """Without spaces; letters as they are."""
    return _encode(value).decode()

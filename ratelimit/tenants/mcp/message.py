"""What the script in Envoy read of a message to an MCP server (envoy/lua/mcp/message.lua).  Pure.

The values are a client's: whatever they are, the result is a message or says what is wrong with it.
"""

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

from serving.fast_json import read_json
from tenancy.values.mcp import wrong_with_tool

CALL, LIST = "tools/call", "tools/list"
# Streams on which a server tells what it likes, for as long as a client listens.
LISTENS = frozenset({"subscriptions/listen"})
MAX_METHOD = 96  # characters
WRONG = {
    "batch": "Batches of messages are no part of the protocol: send each in a request of its own",
    "not_json": "The body must be one message of JSON-RPC, in UTF-8",
    "no_message": "The body must have a method, a result or an error",
    "duplicate_key": "The message has a key twice that decides what it asks for",
    "ambiguous_key": "The message spells a key in a way that servers read differently",
    "too_many_values": "The body has more than 500000 values",
    "invalid_id": "The id of a message must be a string or a number, of at most 300 bytes",
    "invalid_method": "The method of a message must be a string of at most 96 printable characters",
    "header_mismatch": "The headers Mcp-Method and Mcp-Name must say what the message does",
    "invalid_name": "The name of a tool must be a string of 1 to 128 printable characters",
}
NOT_JSON, MISMATCH = "not_json", "header_mismatch"
# A header's value that is no printable ASCII, or looks like this.
ENCODED = re.compile(r"=\?base64\?(.*)\?=")


class Message(NamedTuple):
    """`id`: as JSON, "" for one that expects no answer.  `method`: "" for an answer of the client's.  `tool`: of
    tools/call alone.  `wrong`: which of WRONG, "" if nothing is; then the rest may not be known."""

    id: str = ""
    method: str = ""
    tool: str = ""
    wrong: str = ""

    @property
    def waits(self) -> bool:
        """Whether it is a request that runs for as long as its answer takes."""
        return bool(self.id) and bool(self.method) and self.method not in LISTENS


def parse_message(asked: str) -> Message:
    """What the script wrote; `-` or empty without a body."""
    try:
        read = read_json(asked)
    except ValueError:
        return Message(wrong=NOT_JSON)
    if not isinstance(read, dict) or read.get("rpc") != "message":
        why = read.get("why") if isinstance(read, dict) else None
        return Message(wrong=why if isinstance(why, str) and why in WRONG else NOT_JSON)
    id_, method, name = read.get("id"), read.get("method", ""), read.get("name")
    if isinstance(id_, bool) or not isinstance(id_, str | int | float | None):
        return Message(wrong="invalid_id")
    id_text = "" if id_ is None else json.dumps(id_)
    if not isinstance(method, str) or len(method) > MAX_METHOD or not method.isprintable():
        return Message(id_text, wrong="invalid_method")
    if not _repeats(read, "said_method", method):
        return Message(id_text, method, wrong=MISMATCH)
    if method != CALL:
        return Message(id_text, method)
    if not isinstance(name, str) or wrong_with_tool(name):
        return Message(id_text, method, wrong="invalid_name")
    if not _repeats(read, "said_name", name):
        return Message(id_text, method, wrong=MISMATCH)
    return Message(id_text, method, name)


def _repeats(read: dict[str, Any], field: str, value: str) -> bool:
    """Whether the header says the same, or nothing: some servers, and what stands before them, go by the header."""
    said = read.get(field, value)
    found = ENCODED.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return bool(said == value)
    try:
        return base64.b64decode(found[1], validate=True) == value.encode()
    except (binascii.Error, ValueError):
        return False

"""Frames of HTTP/2 (RFC 9113) as bytes, and what is wrong with them.  Knows no connection."""

from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
# Settings.
TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADER_LIST = 1, 2, 3, 4, 5, 6
# Error codes.
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 5, 6, 7, 8, 9, 11

MAX_WINDOW = MAX_STREAM_ID = (1 << 31) - 1
DEFAULT_WINDOW = 65_535
FRAME_BYTES = 16_384  # of a payload: the least that everybody takes, and the most that we do
HEAD = Struct(">HBBBI")  # length in two parts, type, flags, stream
HEAD_BYTES = HEAD.size
SETTING = Struct(">HI")
NUMBER = Struct(">I")
_GOAWAY = Struct(">II")


class ConnectionFault(Exception):
    """What the peer sent ends the connection.  `args`: the error code, and a text for its GOAWAY."""

    @property
    def code(self) -> int:
        code: int = self.args[0]
        return code


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    size = len(payload)
    return HEAD.pack(size >> 8, size & 255, kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*each) for each in values.items()))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, NUMBER.pack(increment))


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, NUMBER.pack(code))


def goaway(last: int, code: int, text: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(last, code) + text.encode())


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of a DATA or HEADERS frame without its padding."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(PROTOCOL_ERROR, "padding")
    return payload[1 : len(payload) - payload[0]]

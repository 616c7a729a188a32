"""Images and sound as small as they may be: a header that says how large they are, and zeros."""

import base64
import struct


def png(width: int, height: int, size: int = 100) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02" + bytes(size)


def jpeg(width: int, height: int, exif: int = 0) -> bytes:
    segment = b"\xff\xe1" + struct.pack(">H", exif + 2) + bytes(exif)
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)
    return b"\xff\xd8" + segment + frame + bytes(500)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(100)


def webp(width: int, height: int) -> bytes:
    chunk = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", 200) + b"WEBP" + chunk + bytes(100)


def wav(seconds: float, rate: int = 16_000) -> bytes:
    head = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + bytes(4) + b"WAVEfmt " + head + b"data" + bytes(4) + bytes(int(seconds * 2 * rate))


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()

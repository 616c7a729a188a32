"""A bidirectional method whose streams are all kept, to be looked at."""

from dataclasses import dataclass, field

import grpc

from serving.call import BidiStream, Malformed, Outgoing

TALK = "/test.Service/Talk"


@dataclass
class Echoes:
    """One stream: sends back what it receives, and finishes when the client has; some messages make it do more."""

    outgoing: Outgoing
    received: list[bytes] = field(default_factory=list)
    taken: list[bool] = field(default_factory=list)
    ends: int = 0
    closed: list[bool] = field(default_factory=list)

    def receive(self, message: bytes) -> None:
        self.received.append(message)
        if message == b"malformed":
            raise Malformed("no entries")
        if message == b"broken":
            raise RuntimeError("secret detail")
        if message == b"not found":
            self.outgoing.finish(grpc.StatusCode.NOT_FOUND, "schlüssel\n")
        if message != b"quiet":
            self.taken.append(self.outgoing.send(message))

    def end(self) -> None:
        self.ends += 1
        if self.received == [b"no end"]:
            raise RuntimeError("secret detail")
        if self.received[-1:] != [b"more"]:
            self.outgoing.finish()

    def close(self, ok: bool) -> None:
        self.closed.append(ok)
        if self.received == [b"quiet"]:
            raise RuntimeError("nobody hears this")


@dataclass
class Talks:
    """Every stream's sink."""

    max_queued: int = 64
    opened: list[Echoes] = field(default_factory=list)

    @property
    def method(self) -> BidiStream:
        return BidiStream(TALK, self.open, self.max_queued)

    def open(self, outgoing: Outgoing) -> Echoes:
        self.opened.append(Echoes(outgoing))
        return self.opened[-1]

    def closed(self) -> list[list[bool]]:
        return [sink.closed for sink in self.opened]

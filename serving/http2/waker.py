"""Wakes the serving thread from any other."""

import os


class Waker:
    """Ringing costs nothing while nobody sleeps.  Never closed explicitly: a thread may be about to ring."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.asleep = False
        """Set before the last look at what there is to do, so that a thread which adds to it afterwards rings."""

    def ring(self) -> None:
        """From any thread, and from a signal handler."""
        if self.asleep:
            self.asleep = False
            os.eventfd_write(self.fd, 1)

    def heard(self) -> None:
        os.eventfd_read(self.fd)

    def __del__(self) -> None:
        os.close(self.fd)

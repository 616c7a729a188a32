"""The file log: brings what the stream did not, and moves a checkpoint over what is done.

Envoy writes every request to the file, and to the stream those that are not left to the file alone (alone.py).  A line
that stands alone is handled when it is read.  Another line is handled in the same way if the stream has not brought its
request within a few seconds.  A line whose request is done moves the checkpoint.  So a killed process, a lost stream
and a full queue all end in the same place: the line is still there, and is read again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from accesslog.delivery import Deliveries
from accesslog.entry import LogEntry, Undecided
from accesslog.file_log import checkpoint
from accesslog.file_log.alone import Alone
from accesslog.file_log.checkpoint import Position
from accesslog.file_log.earlier import Garbage
from accesslog.file_log.line import ended_at, find_lease_id, read_line, stands_alone
from accesslog.file_log.space import LogSpace, has_room_beside
from accesslog.file_log.tail import QUIET_SECONDS, Line, Tail
from accesslog.metrics import FILE, AccessLogMetrics

log = structlog.get_logger(__name__)

GRACE_SECONDS = 5.0  # the stream brings an entry within milliseconds, the file within its flush interval
POLL_SECONDS = 0.25
QUICK_POLL_SECONDS = 0.01  # while lines come: slots of finished requests are free once their lines are read
HURRY_SECONDS = 2.0  # how long after the last line that goes on
RENAMED_SECONDS = 0.1  # as QUIET_SECONDS of the file that one Envoy writes at once: while it waits, slots stay taken
SAVE_SECONDS = 1.0
WINDOW_LINES = 10_000  # read and not yet done: about 10 MB
CROWDED_LINES = WINDOW_LINES // 2  # with this many waiting, the file is not to tell alone of any request
FEW_LINES = 64  # fewer lines than this in one read: it has reached the end of the file
AT_START = float("-inf")


@dataclass(slots=True)
class _Waiting:
    """`lease_id` None: the line needs no handling.  `due`: when to stop waiting for the stream, AT_START for a line
    that was there at the start."""

    line: Line
    lease_id: str | None
    due: float
    alone: bool = False


class Backfill:
    """`sift` returns what is believed of an entry, None if nothing is; `accept` takes an entry, or returns False when
    it has no room.  `keep_bytes`: as in space.py.  `alone` is told how quickly lines come; None: nobody needs that.
    Runs in a thread of its own."""

    def __init__(
        self,
        log_file: Path,
        checkpoint_file: Path,
        deliveries: Deliveries,
        sift: Callable[[LogEntry | Undecided], LogEntry | Undecided | None],
        accept: Callable[[LogEntry | Undecided, str], bool],
        metrics: AccessLogMetrics,
        grace_seconds: float = GRACE_SECONDS,
        keep_bytes: int = 0,
        alone: Alone | None = None,
    ) -> None:
        self._checkpoint_file, self._deliveries, self._metrics = checkpoint_file, deliveries, metrics
        self._sift, self._accept = sift, accept
        self._grace_seconds, self._log_file, self._alone = grace_seconds, log_file, alone
        self._position = self._saved = checkpoint.load(checkpoint_file)
        self._tail = Tail(log_file, self._position, checkpoint.saved_at(checkpoint_file))
        self._space = LogSpace(log_file, keep_bytes)
        self._window: deque[_Waiting] = deque()
        self._saved_at = self._scanned_at = self._grew_at = float("-inf")
        self._looked_at = float("-inf")  # when there was nothing more to read, as time.time()
        self.lines = 0  # read since the start
        self._has_room = True  # on its disk
        self._trouble = self._unsaved = ""  # errors of the last step and the last save: each is logged once
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backfill", daemon=True)

    @property
    def caught_up(self) -> bool:
        """Whether every line that was there at the start has been taken."""
        return self._tail.caught_up and not any(waiting.due == AT_START for waiting in list(self._window))

    @property
    def waiting(self) -> int:
        """Lines read and not yet accounted for."""
        return len(self._window)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stops reading and handing over."""
        self._closing.set()
        self._thread.join(timeout)

    def close(self) -> None:
        """Moves the checkpoint over what is done.  Call it once the rest of the pipeline is flushed."""
        self._advance()
        self._save()
        self._tail.close()

    def step(self, now: float) -> bool:
        """Reads, hands over, moves the checkpoint.  True if there may be more to read at once.  `now` in s."""
        begun = time.time()
        quiet = RENAMED_SECONDS if self._alone is not None and self._alone.writers == 1 else QUIET_SECONDS
        lines = self._tail.read(now, quiet) if len(self._window) < WINDOW_LINES else []
        self.lines += len(lines)
        for line in lines:
            waiting = self._waiting_for(line, now)
            self._window.append(waiting)
            if waiting.alone:
                self._hand_over_one(waiting)
        if lines:
            self._grew_at = now
            self._note(lines)
        if len(lines) < FEW_LINES:
            self._looked_at = begun
        if now - self._scanned_at >= POLL_SECONDS or not self._tail.caught_up or len(self._window) >= WINDOW_LINES:
            self._scanned_at = now
            self._hand_over(now)
        self._advance()
        if now - self._saved_at >= SAVE_SECONDS:
            self._save()
            self._saved_at, self._has_room = now, has_room_beside(self._log_file)
        return len(lines) >= FEW_LINES

    def _note(self, lines: list[Line]) -> None:
        """Measures how late the oldest line came.  The reader's own delay does not count: a request that had ended at
        the last look had no line then."""
        if self._alone is None:
            return
        if len(self._window) >= CROWDED_LINES or not self._has_room:
            self._alone.pause()
            return
        for line in lines:
            lease_id, ended = find_lease_id(line.data), ended_at(line.data)
            if lease_id is not None and ended is not None:
                self._alone.read(lease_id, self._looked_at - ended)
                return

    def _waiting_for(self, line: Line, now: float) -> _Waiting:
        # Lines that were there at the start are of earlier requests: no stream will bring them.
        due = now + self._grace_seconds if self._tail.caught_up else AT_START
        if due != AT_START and stands_alone(line.data):
            return _Waiting(line, "", now, alone=True)
        lease_id = find_lease_id(line.data)
        if lease_id is None:
            if line.data.startswith(b"{") and line.data.endswith(b"}"):
                self._metrics.no_decision.add()
            else:
                self._metrics.garbage.add()
        return _Waiting(line, lease_id, due)

    def _hand_over(self, now: float) -> None:
        """Hands over the lines that are due and that the stream has not brought, while there is room.  A full window
        does not wait for the stream, which seems to be silent."""
        full = len(self._window) >= WINDOW_LINES
        for waiting in self._window:
            if waiting.due > now and not full:
                continue
            if waiting.lease_id is None or self._deliveries.is_known(waiting.lease_id):
                continue
            if not self._hand_over_one(waiting):
                return

    def _hand_over_one(self, waiting: _Waiting) -> bool:
        try:
            entry = read_line(waiting.line.data)
        except Garbage:
            entry = None
            self._metrics.garbage.add()
        entry = entry and self._sift(entry)
        if entry is None:
            waiting.lease_id = None
            return True
        waiting.lease_id = entry.lease_id if isinstance(entry, Undecided) else entry.decision.lease_id
        try:
            if not self._accept(entry, FILE):
                return False
        except Exception as error:
            self._metrics.failures.add()
            log.error("a line of the file log cannot be taken, it is passed over", lease_id=waiting.lease_id,
                      exc_info=error)  # fmt: skip
            waiting.lease_id = None
            return True
        if not waiting.alone:
            self._metrics.backfilled.add()
        return True

    def _advance(self) -> None:
        last, done, window = None, list[str](), self._window
        while window:
            lease_id = window[0].lease_id
            if lease_id is not None:
                if not self._deliveries.is_done(lease_id):
                    break
                done.append(lease_id)
            last = window.popleft().line
        if last is not None:
            self._deliveries.forget(done)
            self._position = Position(last.source, last.end)

    def _save(self) -> None:
        """If the disk is full, the old checkpoint stays: lines are read again from there, which changes nothing."""
        if self._position is None or self._position == self._saved:
            return
        try:
            checkpoint.save(self._checkpoint_file, self._position)
        except OSError as error:
            self._metrics.failures.add()
            if str(error) != self._unsaved:
                log.error("the checkpoint of the access log cannot be kept", file=str(self._checkpoint_file),
                          reason=str(error))  # fmt: skip
            self._unsaved = str(error)
            return
        self._saved, self._unsaved = self._position, ""
        self._space.give_back(self._position)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                more = self.step(time.monotonic())
                self._trouble = ""
            except Exception as error:  # noqa: BLE001 - the top of the thread: it must go on
                self._report(error)
                more = False
            quick = time.monotonic() - self._grew_at < HURRY_SECONDS
            self._closing.wait(0 if more else QUICK_POLL_SECONDS if quick else POLL_SECONDS)

    def _report(self, error: Exception) -> None:
        """Counts every time, logs the first of a series."""
        self._metrics.failures.add()
        if repr(error) != self._trouble:
            self._trouble = repr(error)
            log.error("the file log could not be read", exc_info=error)

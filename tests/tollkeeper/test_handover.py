"""A process whose supervisor has gone."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys
from pathlib import Path
from tollkeeper import handover
place = handover.Place()
place.tell(handover.News.SERVING)
place.watch(Path(sys.argv[1]), float(sys.argv[2]))
print("serving", flush=True)
signal.pause()
"""
LONG = 600.0


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize(("seconds", "taken_over"), [(LONG, True), (0.0, False)], ids=["taken over", "left alone"])
def test_it_leaves_when_another_has_its_socket_and_else_after_a_while(
    tmp_path: Path, seconds: float, taken_over: bool, heard: bool
) -> None:
    """Also if the supervisor went before it heard what it was told."""
    path, ours, theirs = tmp_path / "it.sock", *socket.socketpair()
    path.touch()
    command = [sys.executable, "-c", PROGRAM, str(path), str(seconds)]
    with subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.PIPE, text=True) as process:
        theirs.close()
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        if heard:
            assert ours.recv(100) == b"serving\n"
        ours.close()
        if taken_over:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            (tmp_path / "next").touch()
            (tmp_path / "next").rename(path)
        assert process.wait(30) == -signal.SIGTERM

import subprocess
import sys
from pathlib import Path

from ratelimit.in_flight import InFlight
from ratelimit.journal import CHUNK, NOWHERE, Entry, Journal, predecessors_in
from ratelimit.life import Life
from ratelimit.succession import Succession
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.policy import Policy
from tests.full_disk import disk

IDS = [mint_lease_id(1_700_000_000_000 + n) for n in range(4)]
KILLED = """
import os, signal, sys
from pathlib import Path
from ratelimit.journal import Journal
journal, ids = Journal(Path(sys.argv[1]), 3), sys.argv[2:]
places = [journal.enter(each, "acme", "gold") for each in ids[:3]]
journal.answer(places[0])
journal.leave(places[1])
journal.answer(journal.enter(ids[3], "other", "default", "m"))
os.kill(os.getpid(), signal.SIGKILL)
"""

LIVING = """
import sys
from pathlib import Path
from ratelimit.journal import Journal
journal, ids = Journal(Path(sys.argv[1]), 10), sys.argv[2:]
places = [journal.enter(each, "acme", "default") for each in ids[:2]]
print(flush=True)
input()
journal.leave(places[0])
journal.answer(places[1])
journal.enter(ids[2], "acme", "default")
"""


CROWDED = """
import sys
from pathlib import Path
from ratelimit.journal import Journal
journal = Journal(Path(sys.argv[1]), 100_000)
while chunk := sys.stdin.readline():
    places = [journal.enter(sys.argv[2], "acme", "default") for _ in range(int(chunk))]
    print("=", places.count(-1), flush=True)
"""


def left_in(directory: Path) -> list[Entry]:
    return sorted(entry for each in predecessors_in(directory) for entry in each.entries.values())


def test_what_a_killed_process_had_in_flight_is_found_until_it_is_taken_over(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), *IDS], check=False, timeout=60)
    assert left_in(tmp_path) == [
        Entry(IDS[0], "acme", "gold", answered=True),
        Entry(IDS[2], "acme", "gold", answered=False),
        Entry(IDS[3], "other", "default", answered=True, model="m"),
    ]
    (predecessor,) = predecessors_in(tmp_path)
    assert predecessor.ended()
    assert [*predecessor.entries] == [IDS[0], IDS[3], IDS[2]]
    assert left_in(tmp_path) == []


def test_a_process_that_lives_is_read_again_when_it_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIVING, str(tmp_path), *IDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (predecessor,) = predecessors_in(tmp_path)
        assert not predecessor.ended()
        assert [*predecessor.entries] == IDS[:2]
        process.communicate("\n", timeout=60)
    assert predecessor.ended()
    assert {each: entry.answered for each, entry in predecessor.entries.items()} == {IDS[1]: True, IDS[2]: False}


def test_what_has_no_room_is_not_written_down(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1)
    assert journal.enter(IDS[0], "x" * 64, "default") == NOWHERE
    place = journal.enter(IDS[0], "acme", "default")
    assert journal.enter(IDS[1], "acme", "default") == NOWHERE
    journal.answer(NOWHERE)
    journal.leave(NOWHERE)
    journal.leave(place)
    assert left_in(tmp_path) == []
    journal.enter(IDS[2], "acme", "default")
    assert left_in(tmp_path) == [Entry(IDS[2], "acme", "default", answered=False)]


def test_the_register_counts_what_was_left_and_writes_down_what_comes(tmp_path: Path) -> None:
    register = InFlight()
    register.keep(Journal(tmp_path, 10))
    register.inherit([Entry(IDS[0], "acme", "gold", answered=True)])
    policy = Policy("acme", "key")
    running, asked = register.enter(IDS[1], policy), register.enter(IDS[2], policy)
    assert running is not None
    assert asked is not None
    register.admit(running)
    assert [(each.policy.tenant_id, each.count) for each in register.tenants()] == [("acme", 3)]
    assert [(each.lease_id, each.answered) for each in left_in(tmp_path)] == [
        (IDS[0], True),
        (IDS[1], True),
        (IDS[2], False),
    ]
    register.end_all(IDS)
    register.lose(running)
    assert (len(register), left_in(tmp_path)) == (0, [])


def test_a_successor_counts_what_one_that_lives_admits_and_ends(tmp_path: Path) -> None:
    before, after, policy = InFlight(), InFlight(), Policy("acme", "key")
    before.keep(Journal(tmp_path, 10))

    def run(lease_id: str) -> Life:
        life = before.enter(lease_id, policy)
        assert life is not None
        before.admit(life)
        return life

    run(IDS[0])
    succession = Succession(after, predecessors_in(tmp_path))
    assert len(after) == 1
    run(IDS[1])
    run(IDS[3])
    before.enter(IDS[2], policy)  # not answered yet
    before.end(IDS[0])
    after.end(IDS[3])  # its log entry came here before we knew of it
    succession.follow()
    assert [after.knows(each) for each in IDS] == [False, True, False, False]
    after.end(IDS[1])  # its log entry came here: it does not come back
    succession.follow()
    assert (len(after), succession.over) == (0, False)


def test_what_a_full_disk_has_no_room_for_is_not_written_down_and_ends_nothing(tmp_path: Path) -> None:
    """The file is shared memory: to write where the disk has no block is the end of a process."""
    command = [sys.executable, "-c", CROWDED, str(tmp_path / "disk/it"), IDS[0]]
    with (
        disk(tmp_path / "disk") as small,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")

        def nowhere(count: int) -> int:
            """How many of so many more have no place."""
            print(count, file=process.stdin, flush=True)
            return next(int(line[1:]) for line in lines if line.startswith("="))

        assert nowhere(CHUNK // 2) == 0
        small.fill()
        assert nowhere(CHUNK) == CHUNK // 2
        small.make_room()
        assert nowhere(CHUNK) == 0
        process.stdin.close()
        assert process.wait(60) == 0

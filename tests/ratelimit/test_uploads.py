"""Bodies that Envoy holds: counted in memory."""

from ratelimit.uploads import BURST_MICROS, KEEP_MS, LONGEST, MEBIBYTE, PACE, VALUES_A_MICRO, Full, ReadingPace, Uploads


def test_a_tenant_has_a_quarter_and_all_together_have_all() -> None:
    uploads = Uploads(256 * MEBIBYTE)
    assert [uploads.enter(f"a{n}", "a", 20 * MEBIBYTE, 0) for n in range(4)] == [None] * 3 + [Full.TENANT]
    assert [uploads.enter(f"{t}0", t, 32 * MEBIBYTE, 0) for t in "bcdefgh"] == [None] * 6 + [Full.ALL]
    assert uploads.size == (60 + 6 * 32) * MEBIBYTE
    uploads.end("a0")
    assert uploads.enter("a3", "a", 20 * MEBIBYTE, 0) is None


def test_one_body_always_fits_a_share() -> None:
    uploads = Uploads(256 * MEBIBYTE, processes=16)
    assert uploads.most == LONGEST
    assert uploads.enter("a0", "a", LONGEST, 0) is None
    assert uploads.enter("b0", "b", 1, 0) is Full.ALL


def test_what_has_arrived_counts_as_it_is_and_ends_once() -> None:
    uploads = Uploads()
    uploads.enter("a0", "a", 4 * MEBIBYTE, 0)
    assert uploads.coming("a") == 1
    for _ in range(2):
        uploads.arrived("a0", 1000)
    assert (uploads.coming("a"), uploads.size) == (0, 1000)
    for _ in range(2):
        uploads.end("a0")
    assert (uploads.size, uploads.coming("a"), uploads.knows("a0")) == (0, 0, False)


def test_who_is_asked_twice_counts_once() -> None:
    uploads = Uploads()
    assert [uploads.enter("a0", "a", 20 * MEBIBYTE, 0) for _ in range(3)] == [None] * 3
    assert uploads.size == 20 * MEBIBYTE


def test_what_nobody_hears_of_again_is_forgotten() -> None:
    uploads = Uploads()
    for n in range(3):
        uploads.enter(f"a{n}", "a", 20 * MEBIBYTE, n)
    assert uploads.enter("a3", "a", 20 * MEBIBYTE, KEEP_MS) is Full.TENANT
    assert uploads.enter("a3", "a", 20 * MEBIBYTE, KEEP_MS + 1) is None
    assert uploads.size == 3 * 20 * MEBIBYTE


def test_reading_has_a_pace_after_a_burst() -> None:
    pace, values = ReadingPace(), 4 * VALUES_A_MICRO * BURST_MICROS // 10
    for _ in range(3):
        assert pace.wait_ms("a", 0) == 0
        pace.spend("a", 0, values, 0)
    wait_ms = pace.wait_ms("a", 0)
    assert wait_ms == 0.2 * BURST_MICROS / PACE + 1
    assert pace.wait_ms("a", wait_ms) == 0
    assert pace.wait_ms("b", 0) == 0


def test_who_leaves_in_between_has_been_read_at_the_dearest() -> None:
    uploads = Uploads()
    uploads.enter("a0", "a", 32 * MEBIBYTE, 0)
    uploads.leave("a0", 0)
    assert uploads.size == 0
    honest = ReadingPace()
    honest.spend("a", 32 * MEBIBYTE, 0, 0)
    assert honest.wait_ms("a", 0) == 0
    uploads.enter("a1", "a", 32 * MEBIBYTE, 0)
    uploads.leave("a1", 0)
    assert uploads.pace.wait_ms("a", 0) > 0

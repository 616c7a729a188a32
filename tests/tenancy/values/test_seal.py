import pytest

from tenancy.values.seal import DECISION, KEY_BYTES, LEASE, Seal, key_of

OLD, NEW = key_of("o" * 32), key_of("n" * 32)


def test_a_seal_fits_what_was_said_and_nothing_else() -> None:
    seal = Seal([NEW], LEASE)
    made = seal.of("a\x1fé")
    assert seal.fits(made, "a\x1fé")
    assert not seal.fits(made, "a\x1fe")
    assert not Seal([NEW], DECISION).fits(made, "a\x1fé")
    assert not Seal([OLD], LEASE).fits(made, "a\x1fé")
    assert len(NEW) == KEY_BYTES


@pytest.mark.parametrize("wrong", ["", "0" * 32, "é" * 32, "\ud800"])
def test_what_is_no_seal_does_not_fit(wrong: str) -> None:
    assert not Seal([NEW], LEASE).fits(wrong, "a")


def test_a_key_can_be_replaced() -> None:
    made = Seal([OLD], LEASE).of("a")
    assert Seal([NEW, OLD], LEASE).fits(made, "a")
    assert Seal([NEW, OLD], LEASE).of("a") == Seal([NEW], LEASE).of("a")

"""Failed sign-ins: who has to wait, and who has not."""

from admin.access.attempts import CAP_SECONDS, FREE_OF_ACCOUNT, FREE_OF_ADDRESS, FREE_OF_PAIR, Attempts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_guesses_has_to_wait_longer_each_time_but_never_for_long() -> None:
    clock = Clock()
    attempts, waits = Attempts(clock), list[float]()
    for _ in range(FREE_OF_PAIR + 10):
        clock.now += (wait := attempts.begin("ann@x", "10.0.0.1", known=True))
        waits.append(wait)
        if wait:
            assert attempts.begin("ann@x", "10.0.0.1", known=True) == 0
    slowed = [wait for wait in waits if wait]
    assert waits[:FREE_OF_PAIR] == [0.0] * FREE_OF_PAIR
    assert slowed == sorted(slowed)
    assert slowed[-1] == CAP_SECONDS


def test_many_guesses_at_once_do_not_slip_through() -> None:
    attempts = Attempts(Clock())
    answers = [attempts.begin("ann@x", "10.0.0.1", known=True) for _ in range(100)]
    assert answers.count(0.0) == FREE_OF_PAIR


def test_guesses_from_everywhere_do_not_keep_the_owner_out() -> None:
    attempts = Attempts(Clock())
    answers = [attempts.begin("ann@x", f"10.0.{n // 250}.{n % 250}", known=False) for n in range(500)]
    assert answers.count(0.0) == FREE_OF_ACCOUNT
    assert attempts.begin("ann@x", "192.0.2.1", known=False) > 0
    assert attempts.begin("ann@x", "192.0.2.7", known=True) == 0


def test_guesses_at_many_accounts_from_one_address_are_slowed_for_strangers_only() -> None:
    attempts = Attempts(Clock())
    answers = [attempts.begin(f"{n}@x", "10.0.0.1", known=False) for n in range(200)]
    assert answers.count(0.0) == FREE_OF_ADDRESS
    assert attempts.begin("ann@x", "10.0.0.1", known=True) == 0


def test_a_success_forgets_what_was_mistyped() -> None:
    attempts = Attempts(Clock())
    for _ in range(20):
        for _ in range(FREE_OF_PAIR):
            assert attempts.begin("ann@x", "10.0.0.1", known=True) == 0
        attempts.succeeded("ann@x", "10.0.0.1", known=True)


def test_sign_ins_to_an_account_of_ones_own_do_not_hide_guesses() -> None:
    attempts, passed = Attempts(Clock()), 0
    for n in range(200):
        passed += attempts.begin(f"{n}@x", "10.0.0.1", known=False) == 0
        if attempts.begin("eve@x", "10.0.0.1", known=True) == 0:
            attempts.succeeded("eve@x", "10.0.0.1", known=True)
    assert passed == FREE_OF_ADDRESS

"""What signing in needs: one for a process."""

from dataclasses import dataclass, field

from admin.access.attempts import Attempts
from admin.access.passwords import Passwords
from admin.access.sessions import Sessions, SignedIn
from admin.access.signing import Signing


@dataclass(frozen=True, slots=True)
class Desk:
    """`signed_in` finds the principals of the tokens that `signing` makes."""

    sessions: Sessions
    signing: Signing
    signed_in: SignedIn
    passwords: Passwords = field(default_factory=Passwords)
    attempts: Attempts = field(default_factory=Attempts)

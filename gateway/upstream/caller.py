"""The sender of one operation, and the limits that are counted for it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.documents.work import Work
from gateway.upstream.code_guesses import UNLIMITED, CodeGuesses
from kit.auth.sessions import Session


def _unknown() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Caller:
    """Created for each operation; by default nothing is limited.

    `work` is the work budget, and `guesses` limits the coupon codes that may be tried. `address` returns the
    client's network address. `key` identifies the user or else that address. Both return None if it is
    unknown.
    """

    session: Session
    work: Work = field(default_factory=Work)
    guesses: CodeGuesses = UNLIMITED
    address: Callable[[], str | None] = _unknown
    key: Callable[[], str | None] = _unknown

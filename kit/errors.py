"""The one error type: a kind that callers tell apart, words for people, a reason for programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a caller may do about a failure; each exists because some caller acts on it."""

    INVALID = "invalid"  # mend the request
    UNAUTHENTICATED = "unauthenticated"  # sign in
    FORBIDDEN = "forbidden"  # another session is needed
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # the same key or row is in another use
    REFUSED = "refused"  # a rule of the business or of the provider says no
    EXHAUSTED = "exhausted"  # too many requests; try later
    UNAVAILABLE = "unavailable"  # a part is down; try again
    UNCLEAR = "unclear"  # a write may or may not have happened; look before repeating
    DEADLINE = "deadline"  # no time was left
    INTERNAL = "internal"  # a fault of ours; `message` carries only an id


class StartError(Exception):
    """A process can't start; the text names the setting that it is about, and says what to do."""


class Stopped(Exception):  # noqa: N818 - no error: the process was asked to stop while it started
    """Ends a start that was waiting for something."""


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818 - a refusal is no fault of the program, and the name says so
    """A failure that may be shown to the caller as it is.

    `message` says what is wrong and what to do, without secrets or a stranger's text.
    `reason` is UPPER_SNAKE_CASE and stable: clients branch on it.
    `fields` maps the path of each bad input field to its own words.
    `retry_after` is in seconds.
    `details` are facts for programs (no secrets), as text.
    """

    kind: Kind
    reason: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.message} [{self.reason}]"


def invalid(fields: Mapping[str, str], reason: str = "INVALID_ARGUMENT") -> Failure:
    """A failure for bad input; its message is made of the fields' own words."""
    words = "; ".join(f"{path}: {text}" for path, text in fields.items())
    return Failure(Kind.INVALID, reason, words, fields=fields)

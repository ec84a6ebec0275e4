"""The application's one error type: a kind, a stable reason for programs, and a message for people."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# The detail with the number of invalid fields that `fields` lacks, because a gRPC status had no room.
OMITTED = "omitted_fields"
OMITTED_NUMBER = re.compile(r"[0-9]{1,9}")

# The reason of a failed call to another process that can't be reached.
SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"


class Kind(StrEnum):
    """The kind of a failure, by what its caller can do about it."""

    INVALID = "invalid"  # correct the request
    UNAUTHENTICATED = "unauthenticated"  # sign in
    FORBIDDEN = "forbidden"  # another session is needed
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # the key or row is already in use
    REFUSED = "refused"  # a business rule or the provider does not allow it
    EXHAUSTED = "exhausted"  # too many requests; try later
    UNAVAILABLE = "unavailable"  # a dependency is down; try again
    UNCLEAR = "unclear"  # a write may or may not have happened; check before repeating it
    DEADLINE = "deadline"  # the deadline has passed
    INTERNAL = "internal"  # a bug; `message` contains only the id under which it is logged


class StartError(Exception):
    """A process can't start. The text names the setting at fault and says what to do."""


class Stopped(Exception):  # noqa: N818 - not an error: a signal stopped the process during its start
    """Ends a start that was waiting for a dependency."""


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818 - a refusal is not a program error
    """A failure that is safe to show to the caller.

    `message` says what is wrong and what to do, without secrets or text from outside.
    `reason` is UPPER_SNAKE_CASE and stable: clients branch on it.
    `fields` maps the path of each invalid input field to its message.
    `retry_after` is in seconds.
    `details` are facts for programs (no secrets), as text.
    """

    kind: Kind
    reason: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Return the reason and the details, such as "PROVIDER_UNCLEAR endpoint=POST /orders"."""
        return " ".join([self.reason, *(f"{name}={text}" for name, text in self.details.items())])

    def __str__(self) -> str:
        return f"{self.message} [{self.reason}]"

    @property
    def omitted(self) -> int:
        """The number of invalid fields that are missing in `fields`."""
        number = self.details.get(OMITTED, "")
        return int(number) if OMITTED_NUMBER.fullmatch(number) else 0


def invalid(fields: Mapping[str, str], reason: str = "INVALID_ARGUMENT") -> Failure:
    """Return the failure for invalid input, whose message joins the messages of the fields."""
    return Failure(Kind.INVALID, reason, joined(fields), fields=fields)


def joined(fields: Mapping[str, str], omitted: int = 0) -> str:
    """Join the messages of invalid fields, and count those that are not among them."""
    message = "; ".join(f"{path}: {text}" for path, text in fields.items())
    return f"{message}; and {omitted} more" if omitted else message

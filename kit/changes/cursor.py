"""Cursors of the feed of changes."""

import re
from dataclasses import dataclass

from kit.errors import invalid

# Transaction id and row id of the position, each of 64 bits; then those of the base, if the base is later.
TEXT = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})(?:~([0-9]{1,19})\.([0-9]{1,19}))?", re.ASCII)
MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """The transaction that wrote a change, and the change's number.

    Changes are numbered when they are written, not when they become visible: the transaction comes first.
    """

    transaction: int
    number: int

    def __lt__(self, other: "Position") -> bool:
        return (self.transaction, self.number) < (other.transaction, other.number)

    def __str__(self) -> str:
        return f"{self.transaction}.{self.number}"


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """`at` is the position of a reader. Changes up to `base` had been deleted already when it started."""

    at: Position
    base: Position

    def __str__(self) -> str:
        return f"{self.at}~{self.base}" if self.at < self.base else str(self.at)


def parse(text: str) -> Cursor | None:
    """Return the cursor of an earlier response; None to start. Raises Failure INVALID."""
    if not text:
        return None
    found = TEXT.fullmatch(text)
    parts = [int(part) for part in found.groups() if part is not None] if found else []
    if not parts or max(parts) > MAX:
        raise invalid({"cursor": "must be the cursor of an earlier response, or empty"})
    return Cursor(Position(*parts[:2]), Position(*parts[2:]) if parts[2:] else START)

"""Checks of a request's fields: all bad ones are found before one failure names them together."""

from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import invalid
from kit.values import plain_text, timestamps


class Checks:
    """Collects what is wrong with a request; `done` raises it, with one text for each field."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def fail(self, field: str, text: str) -> None:
        """Notes a problem; the first one of a field stands."""
        self.problems.setdefault(field, text)

    def uuid(self, field: str, text: str) -> UUID:
        """An id in its canonical form, as every answer shows it."""
        try:
            value = UUID(text)
        except ValueError:
            value = UUID(int=0)
        if str(value) != text.lower() or value.int == 0:
            self.fail(field, "must be a UUID in its canonical form")
        return value

    def uuids(self, field: str, texts: list[str], most: int) -> list[UUID]:
        """1 to `most` ids, each once in the answer."""
        if not 1 <= len(texts) <= most:
            self.fail(field, f"must contain 1 to {most} ids, not {len(texts)}")
            return []
        return list(dict.fromkeys(self.uuid(f"{field}[{i}]", t) for i, t in enumerate(texts)))

    def between(self, field: str, value: int, low: int, high: int) -> int:
        """A whole number, both ends included."""
        if not low <= value <= high:
            self.fail(field, f"must be an integer from {low} to {high}, not {value}")
        return value

    def page_size(self, value: int, usual: int, most: int) -> int:
        """0 means the usual size."""
        return self.between("page_size", value or usual, 1, most)

    def free_text(self, field: str, text: str, most: int) -> str:
        """Free text of a person: trimmed, and then at most `most` characters (Unicode code points)."""
        text = text.strip()
        if len(text) > most:
            self.fail(field, f"must have at most {most} characters, not {len(text)}")
        elif (problem := plain_text.problem(text)) is not None:
            self.fail(field, problem)
        return text

    def moment(self, field: str, stamp: Timestamp) -> datetime | None:
        """A point in time; an absent one is the caller's to tell (HasField)."""
        try:
            return timestamps.from_proto(stamp)
        except (ValueError, OverflowError):
            self.fail(field, "must be a time between the years 1 and 9999")
            return None

    def done(self) -> None:
        """Raises Failure(INVALID) if anything was wrong."""
        if self.problems:
            raise invalid(self.problems)

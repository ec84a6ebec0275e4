"""Validation of request fields, which reports all invalid fields in one failure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import invalid
from kit.values import plain_text, timestamps

# At most 15 digits before the point, which are enough for any amount.
DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]+)?")
ZERO = Decimal(0)
# The database's driver stores the microsecond before the first one and that after the last one as infinities,
# which it returns without a zone. Go's zero time is one of them.
FIRST = datetime.min.replace(microsecond=1, tzinfo=UTC)
LAST = datetime.max.replace(microsecond=999_998, tzinfo=UTC)


class Checks:
    """Collects the problems of a request, one per field; `done` raises them."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def fail(self, field: str, text: str) -> None:
        """Add a problem, unless the field already has one."""
        self.problems.setdefault(field, text)

    def uuid(self, field: str, text: str) -> UUID:
        """Parse an id in its canonical form."""
        try:
            value = UUID(text)
        except ValueError:
            value = UUID(int=0)
        if str(value) != text.lower() or value.int == 0:
            self.fail(field, "must be a UUID in its canonical form")
        return value

    def optional_uuid(self, field: str, text: str) -> UUID | None:
        """Parse an id that may be empty."""
        return self.uuid(field, text) if text else None

    def uuids(self, field: str, texts: Sequence[str], most: int) -> list[UUID]:
        """Parse 1 to `most` ids, and drop duplicates."""
        if not 1 <= len(texts) <= most:
            self.fail(field, f"must contain 1 to {most} ids, not {len(texts)}")
            return []
        return list(dict.fromkeys(self.uuid(f"{field}[{i}]", t) for i, t in enumerate(texts)))

    def between(self, field: str, value: int, low: int, high: int) -> int:
        """Check that an integer is from `low` to `high`."""
        if not low <= value <= high:
            self.fail(field, f"must be an integer from {low} to {high}, not {value}")
        return value

    def decimal(
        self, field: str, text: str, low: Decimal | int, high: Decimal | int, places: int
    ) -> Decimal:
        """Parse a decimal number from `low` to `high`, with at most `places` decimal places."""
        found = DECIMAL.fullmatch(text)
        value = Decimal(text) if found else ZERO
        if not found or not low <= value <= high:
            shown = plain_text.quoted(text)
            self.fail(field, f"must be a decimal number from {low} to {high}, not {shown}")
            return ZERO
        if len(found[1] or ".") - 1 > places:
            digits = f"{places} decimal places" if places else "no decimal places"
            self.fail(field, f"must have at most {digits}" if places else f"must have {digits}")
        return value

    def page_size(self, value: int, default: int, most: int) -> int:
        """Check a page size; 0 means the default."""
        return self.between("page_size", value or default, 1, most)

    def free_text(self, field: str, text: str, most: int) -> str:
        """Trim free text, and check that it has at most `most` characters (Unicode code points)."""
        text = text.strip()
        if len(text) > most:
            self.fail(field, f"must have at most {most} characters, not {len(text)}")
        elif (problem := plain_text.problem(text)) is not None:
            self.fail(field, problem)
        return text

    def moment(self, field: str, stamp: Timestamp) -> datetime | None:
        """Convert a timestamp. The caller must check its presence (HasField)."""
        try:
            return min(max(timestamps.from_proto(stamp), FIRST), LAST)
        except (ValueError, OverflowError):
            self.fail(field, "must be a time between the years 1 and 9999")
            return None

    def done(self) -> None:
        """Raise Failure(INVALID) if there are problems."""
        if self.problems:
            raise invalid(self.problems)


def one_id(field: str, text: str) -> UUID:
    """Parse the id in a field of a request; raises Failure INVALID."""
    checks = Checks()
    found = checks.uuid(field, text)
    checks.done()
    return found


def ids(field: str, texts: Sequence[str], most: int) -> list[UUID]:
    """Parse the 1 to `most` ids in a field of a request, and drop duplicates; raises Failure INVALID."""
    checks = Checks()
    found = checks.uuids(field, texts, most)
    checks.done()
    return found

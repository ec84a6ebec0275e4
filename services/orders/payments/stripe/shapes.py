"""Checks of what Stripe's API returns: no id, amount, currency or time is used before it was read here."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.orders.payments.stripe import amounts

# Ids have up to 255 characters, and new forms of them are no breaking change.
ID = re.compile(r"[A-Za-z0-9_\-]{1,255}")
CURRENCY = re.compile(r"[a-z]{3}")
WORD = re.compile(r"[A-Za-z0-9_.\-]{1,100}")
# Stripe's limit is twelve digits.
MAX_MINOR = 10**12
# Epoch seconds of the years 2010 to 2100.
EARLIEST, LATEST = 1_262_304_000, 4_102_444_800
MAX_TEXT = 5_000


class ShapeError(ValueError):
    """An object of the API is not as documented. Its text names the field, never the value."""


class Shape:
    """An object of the API; `path` names it in errors."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise ShapeError(f"{path} is not an object")
        self._value = value
        self._path = path

    def expect(self, kind: str, *, live: bool) -> None:
        """Raise ShapeError for an object of another kind, or of the other mode (live or test)."""
        if self._value.get("object") != kind:
            raise ShapeError(f"{self._path} is not a {kind}")
        if self._value.get("livemode", live) is not live:
            raise ShapeError(f"{self._path} is not of the key's mode")

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def fail(self, name: str) -> ShapeError:
        return ShapeError(f"{self._path}.{name} is not as documented")

    def id(self, name: str = "id") -> str:
        """Return an id."""
        value = self._value.get(name)
        if not isinstance(value, str) or not ID.fullmatch(value):
            raise self.fail(name)
        return value

    def reference(self, name: str) -> str:
        """Return the id of another object, which may be expanded; "" if there is none."""
        value = self._value.get(name)
        if value is None:
            return ""
        if isinstance(value, Mapping):
            return Shape(value, f"{self._path}.{name}").id()
        return self.id(name)

    def expanded(self, name: str) -> "Shape | None":
        """Return another object, None if there is none. Raises ShapeError if only its id is here."""
        value = self._value.get(name)
        return None if value is None else Shape(value, f"{self._path}.{name}")

    def part(self, *names: str) -> "Shape":
        """Return an object within this one, through several names; an empty one if it is absent."""
        value: Any = self._value
        for name in names:
            value = value.get(name)
            if value is None:
                return Shape({}, self._path)
            if not isinstance(value, Mapping):
                raise self.fail(name)
        return Shape(value, f"{self._path}.{'.'.join(names)}")

    def rows(self, name: str) -> list["Shape"]:
        """Return the objects of a list."""
        value = self._value.get(name)
        if not isinstance(value, list):
            raise self.fail(name)
        return [Shape(row, f"{self._path}.{name}") for row in value]

    def word(self, name: str) -> str:
        """Return a word of Stripe's, such as a status; "" if it is absent."""
        value = self._value.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or not WORD.fullmatch(value):
            raise self.fail(name)
        return value

    def text(self, name: str) -> str:
        """Return a text such as a URL or a client secret; "" if it is absent."""
        value = self._value.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
            raise self.fail(name)
        return value

    def flag(self, name: str) -> bool:
        value = self._value.get(name)
        if not isinstance(value, bool):
            raise self.fail(name)
        return value

    def currency(self) -> str:
        """Return the object's currency in upper case."""
        value = self._value.get("currency")
        if not isinstance(value, str) or not CURRENCY.fullmatch(value):
            raise self.fail("currency")
        return value.upper()

    def amount(self, name: str, *, negative: bool = False) -> Decimal:
        """Return an amount in units of the object's currency."""
        value = self._value.get(name)
        least = -MAX_MINOR if negative else -1
        if isinstance(value, bool) or not isinstance(value, int) or not least < value < MAX_MINOR:
            raise self.fail(name)
        return amounts.from_minor(value, self.currency())

    def number(self, name: str) -> Decimal | None:
        """Return a positive number, such as an exchange rate; None if it is absent."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise self.fail(name)
        number = Decimal(str(value))
        if not number.is_finite() or not 0 < number < MAX_MINOR:
            raise self.fail(name)
        return number

    def moment(self, name: str) -> datetime | None:
        """Return a time in UTC; None if it is absent or 0."""
        value = self._value.get(name)
        if value is None or value == 0:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not EARLIEST < value < LATEST:
            raise self.fail(name)
        return datetime.fromtimestamp(value, UTC)

    def metadata(self, name: str) -> str:
        """Return a value of the object's metadata; "" if there is none."""
        value = self.part("metadata")._value.get(name)
        return value if isinstance(value, str) else ""

"""Bodies of the admin API, whose members are read one by one with clear errors."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.state.refusal import bad


class Body:
    """A JSON object whose members are each read once; `done` refuses the others."""

    def __init__(self, members: Any) -> None:
        if not isinstance(members, Mapping):
            raise bad("the body must be a JSON object")
        self._members = dict(members)

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return a string, or the default if it is absent or null."""
        value = self._members.pop(name, None)
        if value is None:
            return default
        if not isinstance(value, str):
            raise bad(f"{name} must be text")
        return value

    def required(self, name: str) -> str:
        """Return a required string."""
        value = self.text(name)
        if not value:
            raise bad(f"{name} is missing")
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean, or None if it is absent."""
        value = self._members.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise bad(f"{name} must be true or false")
        return value

    def number(self, name: str) -> Decimal | None:
        """Return a number, which may be a string so that no digit is lost."""
        value = self._members.pop(name, None)
        if value is None:
            return None
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        if isinstance(value, bool) or not number.is_finite() or abs(number) > 10**15:
            raise bad(f"{name} must be a number")
        return number

    def whole(self, name: str) -> int | None:
        number = self.number(name)
        if number is not None and number != number.to_integral_value():
            raise bad(f"{name} must be a whole number")
        return None if number is None else int(number)

    def members(self, name: str) -> dict[str, Any]:
        """Return an object, empty if it is absent."""
        value = self._members.pop(name, None)
        if value is not None and not isinstance(value, Mapping):
            raise bad(f"{name} must be an object")
        return dict(value or {})

    def rest(self) -> dict[str, Any]:
        """Return all members that were not read."""
        members, self._members = self._members, {}
        return members

    def done(self) -> None:
        """Refuse members that were not read."""
        if self._members:
            raise bad(f"unknown members: {', '.join(sorted(self._members))}")

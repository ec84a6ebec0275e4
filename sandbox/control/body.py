"""Bodies of the admin API, read member by member with words for whoever got one wrong."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.state.refusal import bad


class Body:
    """A JSON object of which each member is asked for once; `done` refuses what nobody asked for."""

    def __init__(self, members: Any) -> None:
        if not isinstance(members, Mapping):
            raise bad("the body must be a JSON object")
        self._members = dict(members)

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text, or the default where it is absent or null."""
        value = self._members.pop(name, None)
        if value is None:
            return default
        if not isinstance(value, str):
            raise bad(f"{name} must be text")
        return value

    def required(self, name: str) -> str:
        """A text that must be there."""
        value = self.text(name)
        if not value:
            raise bad(f"{name} is missing")
        return value

    def flag(self, name: str) -> bool | None:
        """True, false, or nothing."""
        value = self._members.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise bad(f"{name} must be true or false")
        return value

    def number(self, name: str) -> Decimal | None:
        """A number, also as text so that no digit is lost."""
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
        """A whole number."""
        number = self.number(name)
        if number is not None and number != number.to_integral_value():
            raise bad(f"{name} must be a whole number")
        return None if number is None else int(number)

    def rest(self) -> dict[str, Any]:
        """All members that nobody asked for."""
        members, self._members = self._members, {}
        return members

    def done(self) -> None:
        """Refuses members that nobody asked for."""
        if self._members:
            raise bad(f"unknown members: {', '.join(sorted(self._members))}")

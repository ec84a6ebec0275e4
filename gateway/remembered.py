"""Caches of functions' results that are bounded in bytes, not in entries alone.

A client may send a text as large as a request. A cache of 2,000 such texts would hold 500 MB, and four
times that where one character needs four bytes.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Characters of the texts of one call. A document at the limit of tokens has about as many.
LONGEST = 16_384
_MISSING = object()


class Remembered(Generic[Given, Result]):
    """A function whose last results are cached; a call with longer texts is computed each time."""

    def __init__(self, function: Callable[Given, Result], entries: int, longest: int) -> None:
        self._function = function
        self._known: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._entries = entries
        self._longest = longest

    def __call__(self, *given: Given.args, **named: Given.kwargs) -> Result:
        key = (*given, *named.values())
        found = self._known.get(key, _MISSING)
        if found is not _MISSING:
            self._known.move_to_end(key)
            known: Result = found
            return known
        made = self._function(*given, **named)
        if characters(key) <= self._longest:
            self._known[key] = made
            if len(self._known) > self._entries:
                self._known.popitem(last=False)
        return made

    def __contains__(self, given: tuple[Any, ...]) -> bool:
        """True if a call with these arguments costs nothing."""
        return given in self._known

    def __len__(self) -> int:
        """How many results are cached."""
        return len(self._known)


def remembered(
    entries: int, longest: int = LONGEST
) -> Callable[[Callable[Given, Result]], Remembered[Given, Result]]:
    """Cache so many results of the decorated function."""

    def decorate(function: Callable[Given, Result]) -> Remembered[Given, Result]:
        return Remembered(function, entries, longest)

    return decorate


def characters(value: object) -> int:
    """Count the characters of a text, or of all texts in a tuple; a part that is no text is one."""
    if isinstance(value, str | bytes):
        return len(value)
    return sum(map(characters, value)) if isinstance(value, tuple) else 1

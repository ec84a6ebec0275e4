"""Caches of functions' results that are bounded in bytes, not in entries alone.

A client may send a text as large as a request. A cache of 2,000 such texts would hold 500 MB, and four
times that where one character needs four bytes.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Characters of the texts of one call. A document at the limit of tokens has about as many.
LONGEST = 16_384
# Characters of all texts, for each entry that there may be. A parsed document takes up to 250 bytes for
# each of its characters, and documents of a shop's pages have some 1,000.
AVERAGE = 1_024


class BoundedCache(Generic[Given, Result]):
    """A function whose last results are cached; a call with longer texts is computed each time."""

    def __init__(self, function: Callable[Given, Result], entries: int, longest: int) -> None:
        self._function = function
        self._known: OrderedDict[Hashable, Result] = OrderedDict()
        self._entries = entries
        self._longest = longest
        self._characters = 0

    def __call__(self, *given: Given.args, **named: Given.kwargs) -> Result:
        key: tuple[Any, ...] = (*given, *named.items())
        try:
            found = self._known[key]
        except KeyError:
            return self._computed(key, *given, **named)
        self._known.move_to_end(key)
        return found

    def __contains__(self, given: tuple[Any, ...]) -> bool:
        """True if a call with these arguments costs nothing."""
        return given in self._known

    def __len__(self) -> int:
        """How many results are cached."""
        return len(self._known)

    def _computed(self, key: tuple[Any, ...], *given: Given.args, **named: Given.kwargs) -> Result:
        result = self._function(*given, **named)
        size = characters(key)
        if size <= self._longest and key not in self._known:
            self._known[key] = result
            self._characters += size
        while len(self._known) > self._entries or self._characters > self._entries * AVERAGE:
            oldest, _ = self._known.popitem(last=False)
            self._characters -= characters(oldest)
        return result


def bounded_cache(
    entries: int, longest: int = LONGEST
) -> Callable[[Callable[Given, Result]], BoundedCache[Given, Result]]:
    """Cache so many results of the decorated function, and AVERAGE characters for each."""

    def decorate(function: Callable[Given, Result]) -> BoundedCache[Given, Result]:
        return BoundedCache(function, entries, longest)

    return decorate


def characters(value: object) -> int:
    """Count the characters of a text, or of all texts in a tuple; a part that is no text is one."""
    if isinstance(value, str | bytes):
        return len(value)
    return sum(map(characters, value)) if isinstance(value, tuple) else 1

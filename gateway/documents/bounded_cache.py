"""A cache of a function's results that is bounded by the size of its keys, not only by their number.

Clients may send texts as long as a request. 2,000 of these would take 500 MB, or four times as much with
characters that need four bytes.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Characters of the texts of one call. A document with the maximum number of tokens has about as many.
LONGEST = 16_384
# Characters of all texts, per possible entry. A parsed document takes up to 250 bytes per character, and the
# documents of a typical shop have some 1,000 characters.
AVERAGE = 1_024


class BoundedCache(Generic[Given, Result]):
    """A function with a least-recently-used cache; calls with longer texts are not cached."""

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
        """True if the result of a call with these arguments is cached."""
        return given in self._known

    def __len__(self) -> int:
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
    """Cache the results of the decorated function, up to `entries` results of AVERAGE characters each."""

    def decorate(function: Callable[Given, Result]) -> BoundedCache[Given, Result]:
        return BoundedCache(function, entries, longest)

    return decorate


def characters(value: object) -> int:
    """Count the characters of a text, or of all texts in a tuple, where any other value counts as one."""
    if isinstance(value, str | bytes):
        return len(value)
    return sum(map(characters, value)) if isinstance(value, tuple) else 1

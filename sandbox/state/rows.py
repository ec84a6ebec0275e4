"""Records that track changes, and the tables of them."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar


class Row:
    """A stored record; assigning a field marks it as changed since the last commit.

    Fields have immutable values only, so that no change is missed.
    """

    _mark: Callable[[], None] | None = None

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if self._mark is not None:
            self._mark()


R = TypeVar("R", bound=Row)


class Table(Generic[R]):
    """Rows of one kind by key, in insertion order."""

    def __init__(self, kind: str, row_type: type[R]) -> None:
        self.kind = kind
        self.row_type = row_type
        self.changed: dict[str, None] = {}  # an ordered set
        self._rows: dict[str, R] = {}

    def add(self, key: str, row: R, *, stored: bool = False) -> R:
        """Add a row; `stored` is True if it was just read from the file."""
        self._rows[key] = row
        object.__setattr__(row, "_mark", lambda: self.changed.update({key: None}))
        if not stored:
            self.changed[key] = None
        return row

    def remove(self, key: str) -> None:
        del self._rows[key]
        self.changed[key] = None

    def get(self, key: str) -> R | None:
        """Return the row with that key, if any."""
        return self._rows.get(key)

    def __getitem__(self, key: str) -> R:
        return self._rows[key]

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def __reversed__(self) -> Iterator[R]:
        return reversed(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)


AnyTable = Table[Any]

"""Records that remember their own changes, and the tables that hold them."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar


class Row:
    """A stored record: assigning any field marks it as changed since the last commit.

    Fields hold immutable values only, so that no change can go unnoticed.
    """

    _mark: Callable[[], None] | None = None

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if self._mark is not None:
            self._mark()


R = TypeVar("R", bound=Row)


class Table(Generic[R]):
    """Rows of one kind by their key, in the order of their insertion."""

    def __init__(self, kind: str, row_type: type[R]) -> None:
        self.kind = kind
        self.row_type = row_type
        self.changed: dict[str, None] = {}  # a set that keeps its order
        self._rows: dict[str, R] = {}

    def add(self, key: str, row: R, *, stored: bool = False) -> R:
        """Keeps a row; `stored` says that it was just read from the file."""
        self._rows[key] = row
        object.__setattr__(row, "_mark", lambda: self.changed.update({key: None}))
        if not stored:
            self.changed[key] = None
        return row

    def remove(self, key: str) -> None:
        """Forgets a row."""
        del self._rows[key]
        self.changed[key] = None

    def get(self, key: str) -> R | None:
        """The row of that key, if any."""
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

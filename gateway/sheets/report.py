"""Reports to print, such as statements: a title, facts, tables and notes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `widths` are in millimeters, 174 together; the columns in `numeric` are aligned right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]
    numeric: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of a report, in the order in which they are printed."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()

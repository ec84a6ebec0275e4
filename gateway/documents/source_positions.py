"""Finds lines and columns of errors in a document through an index that is built once per text."""

import re
from bisect import bisect_left
from collections.abc import Sequence

from graphql import Source, SourceLocation
from graphql.language import location

# Line terminators of GraphQL.
LINE_END = re.compile(r"\r\n|[\n\r]")
# Locations of one error. An error in a field that is selected hundreds of times has as many.
MAX_LOCATIONS = 10

# Offsets of line ends, and of the characters after them.
_Lines = tuple[list[int], list[int]]


def index_positions() -> None:
    """Replace graphql-core's `get_locations`, which scans the text from the beginning for each error.

    900 errors behind 90,000 line ends take it 17 seconds.
    """
    location.get_locations = get_locations


def get_locations(locations: Sequence[tuple[Source, int]]) -> list[SourceLocation]:
    """Return line and column of the first locations, given by source and offset."""
    return [_location(source, offset) for source, offset in locations[:MAX_LOCATIONS]]


def _location(source: Source, offset: int) -> SourceLocation:
    ends, starts = _lines(source)
    before = bisect_left(ends, offset)
    began = starts[before - 1] if before else 0
    return SourceLocation(before + 1, offset + 1 - began)


def _lines(source: Source) -> _Lines:
    found: _Lines | None = source.__dict__.get("lines")  # graphql-core allows extra attributes
    if found is None:
        matches = list(LINE_END.finditer(source.body))
        found = [m.start() for m in matches], [m.end() for m in matches]
        source.__dict__["lines"] = found
    return found

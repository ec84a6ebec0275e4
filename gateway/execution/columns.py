"""How fields are read from messages: of many messages at a time, which costs less than row by row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from operator import attrgetter
from typing import Any

from kit.values import timestamps

# Of many messages, a value for each.
ReadMany = Callable[[Sequence[Any]], list[Any]]

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC; a zone would cost a second object for each time
NANOS = 10**9


@dataclass(frozen=True, slots=True)
class Column:
    """`values` are what resolvers would give; `answers`, where there are any, what is answered for them.

    Answers need no look at each of them: whoever declares some says that they are of the field's type.
    """

    values: ReadMany
    answers: ReadMany | None = None


def attribute(path: str) -> Column:
    """Reads an attribute such as `id` or `price.currency_code`."""
    get = attrgetter(path)
    return Column(lambda messages: list(map(get, messages)))


def computed(function: Callable[[Any], Any]) -> Column:
    """Calls a function for each message."""
    return Column(lambda messages: list(map(function, messages)))


def output(function: Callable[[Any], Any]) -> Column:
    """Likewise, where what it gives is already what is answered."""
    return _both(lambda messages: list(map(function, messages)))


def strings(name: str) -> Column:
    """Reads a repeated field of texts."""
    get = attrgetter(name)
    return _both(lambda messages: [found[:] for found in map(get, messages)])


def optional(name: str) -> Column:
    """Reads an optional field; None when it is absent."""
    get = attrgetter(name)
    return Column(
        lambda messages: [get(one) if one.HasField(name) else None for one in messages],
    )


def nonempty(name: str) -> Column:
    """Reads a text; None when it is empty."""
    get = attrgetter(name)
    return _both(lambda messages: [found or None for found in map(get, messages)])


def optional_time(name: str) -> Column:
    """Reads a time; None when it is absent."""
    get = attrgetter(name)
    return Column(
        lambda messages: [
            timestamps.from_proto(get(one)) if one.HasField(name) else None for one in messages
        ],
        lambda messages: [
            format_time(get(one)) if one.HasField(name) else None for one in messages
        ],
    )


def timestamp(name: str) -> Column:
    """Reads a time that is always there."""
    get = attrgetter(name)
    return Column(
        lambda messages: list(map(timestamps.from_proto, map(get, messages))),
        lambda messages: list(map(format_time, map(get, messages))),
    )


def format_time(stamp: Any) -> str:
    """A time as the schema's DateTime is answered; raises ValueError or OverflowError for no time."""
    nanos = stamp.nanos
    if not 0 <= nanos < NANOS:
        raise ValueError(f"{nanos} is not a valid number of nanoseconds")
    moment = EPOCH + timedelta(0, stamp.seconds, nanos // 1000)
    return moment.isoformat(timespec="microseconds") + "Z"


def enum(name: str, shown: type[Enum], numbers: Any, prefix: str) -> Column:
    """Reads an enum as the schema's of the same names; the messages' begin with `prefix`.

    The reading raises KeyError for a number that the schema has no name for.
    """
    known = {
        number: shown[member_name.removeprefix(prefix)]
        for member_name, number in numbers.items()
        if member_name.removeprefix(prefix) in shown.__members__
    }
    names = {number: value.name for number, value in known.items()}
    get = attrgetter(name)
    return Column(
        lambda messages: list(map(known.__getitem__, map(get, messages))),
        lambda messages: list(map(names.__getitem__, map(get, messages))),
    )


def _both(read: ReadMany) -> Column:
    return Column(read, read)

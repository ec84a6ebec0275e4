"""Readers of protobuf fields. They read one field of many messages, which is cheaper than row by row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from operator import attrgetter
from typing import Any

from kit.values import money, timestamps

# Returns one value for each message.
ReadMany = Callable[[Sequence[Any]], list[Any]]

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC; a zone would cost a second object for each time
NANOS = 10**9


@dataclass(frozen=True, slots=True)
class Column:
    """Reads one field: `values` are the resolver's values, `outputs` the completed ones.

    Outputs are not checked again; the declaration guarantees that they have the field's type.
    """

    values: ReadMany
    outputs: ReadMany | None = None


def attribute(path: str) -> Column:
    """Read an attribute such as `id` or `price.currency_code`."""
    get = attrgetter(path)
    return Column(lambda messages: list(map(get, messages)))


def computed(function: Callable[[Any], Any]) -> Column:
    """Compute each value by a function of the message."""
    return Column(lambda messages: list(map(function, messages)))


def output(function: Callable[[Any], Any]) -> Column:
    """Compute each value by a function whose results need no completion."""
    return _output(lambda messages: list(map(function, messages)))


def strings(name: str) -> Column:
    """Read a repeated string field."""
    get = attrgetter(name)
    return _output(lambda messages: [found[:] for found in map(get, messages)])


def optional(name: str) -> Column:
    """Read an optional field; None if it is not set."""
    get = attrgetter(name)
    return Column(lambda messages: [get(one) if one.HasField(name) else None for one in messages])


def text(name: str) -> Column:
    """Read a string field; None if it is empty."""
    get = attrgetter(name)
    return _output(lambda messages: [found or None for found in map(get, messages)])


def float_amount(name: str, *, optional: bool = False) -> Column:
    """Read an amount of money as the nearest float; with `optional`, None if it is not set."""
    return _money(name, money.nearest_float, optional=optional)


def exact_amount(name: str, *, optional: bool = False) -> Column:
    """Read an amount of money as a decimal string; with `optional`, None if it is not set."""
    return _money(name, money.text, optional=optional)


def _money(name: str, convert: Callable[[Any], Any], *, optional: bool) -> Column:
    get = attrgetter(name)
    if not optional:
        return _output(lambda messages: list(map(convert, map(get, messages))))
    return _output(
        lambda messages: [convert(get(one)) if one.HasField(name) else None for one in messages]
    )


def optional_time(name: str) -> Column:
    """Read a timestamp; None if it is not set."""
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
    """Read a timestamp that is always set."""
    get = attrgetter(name)
    return Column(
        lambda messages: list(map(timestamps.from_proto, map(get, messages))),
        lambda messages: list(map(format_time, map(get, messages))),
    )


def format_time(stamp: Any) -> str:
    """Format a timestamp as a DateTime of the schema; raise ValueError or OverflowError if invalid."""
    nanos = stamp.nanos
    if not 0 <= nanos < NANOS:
        raise ValueError(f"{nanos} is not a valid number of nanoseconds")
    moment = EPOCH + timedelta(0, stamp.seconds, nanos // 1000)
    return moment.isoformat(timespec="microseconds") + "Z"


def enum(
    name: str, kind: type[Enum], numbers: Any, prefix: str, *, optional: bool = False
) -> Column:
    """Read an enum as the schema's enum `kind`; `prefix` is that of the names in the protobuf enum.

    Reading raises KeyError for a number that the schema has no name for; with `optional`, it returns None.
    """
    known = {
        number: kind[member_name.removeprefix(prefix)]
        for member_name, number in numbers.items()
        if member_name.removeprefix(prefix) in kind.__members__
    }
    names = {number: value.name for number, value in known.items()}
    get = attrgetter(name)
    if optional:
        return Column(
            lambda messages: list(map(known.get, map(get, messages))),
            lambda messages: list(map(names.get, map(get, messages))),
        )
    return Column(
        lambda messages: list(map(known.__getitem__, map(get, messages))),
        lambda messages: list(map(names.__getitem__, map(get, messages))),
    )


def _output(read: ReadMany) -> Column:
    return Column(read, read)

"""Columns of an export: their names, types, and how each is read from a row."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from enum import StrEnum
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from kit.values import money

MONEY = "common.v1.Money"
TIMESTAMP = "google.protobuf.Timestamp"
CURRENCY = "currency"
# Texts with a day of a calendar, such as 2026-11-30.
DAY = re.compile(r"(?:\w+_)?day")


class Type(StrEnum):
    """Type of a column."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DAY = "day"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `read` returns its value in a row; None for no value."""

    name: str
    type: Type
    read: Callable[[Any], Any]


PLAIN = {
    FieldDescriptor.CPPTYPE_STRING: Type.TEXT,
    FieldDescriptor.CPPTYPE_INT32: Type.INTEGER,
    FieldDescriptor.CPPTYPE_INT64: Type.INTEGER,
    FieldDescriptor.CPPTYPE_BOOL: Type.BOOLEAN,
}


def of(rows: Descriptor, foreign: Collection[str] = ()) -> Sequence[Column]:
    """Return the columns of rows of a message type, in the order of its fields.

    All amounts of a row are in one currency, which has one column before them, except those named in
    `foreign`: each of these has a column such as `cost_currency`. Raises ValueError for a field that is no
    column.
    """
    return tuple(_columns(rows, foreign))


def _columns(rows: Descriptor, foreign: Collection[str]) -> Iterator[Column]:
    amounts = [field.name for field in rows.fields if _is(field, MONEY)]
    shared = [name for name in amounts if name not in foreign]
    named = CURRENCY in rows.fields_by_name
    for field in rows.fields:
        name = field.name
        if _is(field, MONEY):
            if name in foreign:
                yield Column(f"{name}_currency", Type.TEXT, _currency_of([name]))
            elif name == shared[0] and not named:
                yield Column(CURRENCY, Type.TEXT, _currency_of(shared))
            yield Column(name, Type.DECIMAL, _amount(name))
        elif _is(field, TIMESTAMP):
            yield Column(name, Type.TIME, _time(name))
        elif name == CURRENCY:
            yield Column(name, Type.TEXT, _currency_of(shared, named=True))
        else:
            yield _plain(field)


def _is(field: FieldDescriptor, message: str) -> bool:
    return field.message_type is not None and field.message_type.full_name == message


def _plain(field: FieldDescriptor) -> Column:
    name, type_ = field.name, PLAIN.get(field.cpp_type)
    if type_ is None or (field.is_repeated and type_ is not Type.TEXT):
        raise ValueError(f"{field.full_name}: no column has this type")
    if field.is_repeated:
        return Column(name, type_, lambda row: " ".join(getattr(row, name)) or None)
    if field.has_presence:
        return Column(name, type_, lambda row: getattr(row, name) if row.HasField(name) else None)
    if type_ is Type.TEXT and DAY.fullmatch(name):
        return Column(name, Type.DAY, lambda row: _day(getattr(row, name)))
    if type_ is Type.TEXT:
        return Column(name, type_, lambda row: getattr(row, name) or None)
    return Column(name, type_, lambda row: getattr(row, name))


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _time(name: str) -> Callable[[Any], Any]:
    return lambda row: getattr(row, name).ToDatetime(tzinfo=UTC) if row.HasField(name) else None


def _amount(name: str) -> Callable[[Any], Any]:
    return lambda row: money.from_proto(getattr(row, name)) if row.HasField(name) else None


def _currency_of(amounts: Sequence[str], *, named: bool = False) -> Callable[[Any], str | None]:
    """Return how to read the currency of amounts.

    The reader raises ValueError if they have several: under one column, they would be added by mistake.
    """

    def read(row: Any) -> str | None:
        codes = {getattr(row, name).currency_code for name in amounts if row.HasField(name)}
        if named:
            codes.add(row.currency)
        codes.discard("")
        if len(codes) > 1:
            raise ValueError(f"amounts of one row are in {' and '.join(sorted(codes))}")
        return codes.pop() if codes else None

    return read

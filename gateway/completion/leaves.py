"""Scalars and enums as graphql-core completes them, without its way through every possible type."""

from collections.abc import Callable
from enum import Enum
from math import isfinite
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)

# What the specification lets an Int hold.
MIN_INT, MAX_INT = -(2**31), 2**31 - 1
# Fields of messages whose every value is already what the type's completion would make of it.
SAME: dict[Any, frozenset[int]] = {
    GraphQLString: frozenset({FieldDescriptor.TYPE_STRING}),
    GraphQLID: frozenset({FieldDescriptor.TYPE_STRING}),
    GraphQLBoolean: frozenset({FieldDescriptor.TYPE_BOOL}),
    GraphQLInt: frozenset({FieldDescriptor.TYPE_INT32}),
}


class Surprise(Exception):  # noqa: N818 - no error: the stock executor takes over, and decides
    """A value that the compiled completion leaves to graphql-core."""


def completer(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    """The function that completes a value that isn't None; it may raise anything for what isn't usual."""
    if isinstance(kind, GraphQLEnumType):
        return _member_names(kind)
    return EXPECTED.get(kind) or _coerced(kind)


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    raise Surprise


def _boolean(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise Surprise


def _int(value: Any) -> int:
    if type(value) is int and MIN_INT <= value <= MAX_INT:
        return value
    raise Surprise


def _float(value: Any) -> float:
    if type(value) is float and isfinite(value):
        return value
    raise Surprise


EXPECTED: dict[GraphQLLeafType, Callable[[Any], Any]] = {
    GraphQLString: _text,
    GraphQLID: _text,
    GraphQLBoolean: _boolean,
    GraphQLInt: _int,
    GraphQLFloat: _float,
}


def _member_names(kind: GraphQLEnumType) -> Callable[[Any], str]:
    names: dict[Any, str] = {}

    def name(value: Any) -> str:
        if not isinstance(value, Enum):
            raise Surprise
        found = names.get(value)
        if found is None:
            found = names[value] = kind.coerce_output_value(value)
        return found

    return name


def _coerced(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    coerce = kind.coerce_output_value

    def complete(value: Any) -> Any:
        completed = coerce(value)
        if completed is None or completed is Undefined:
            raise Surprise
        return completed

    return complete

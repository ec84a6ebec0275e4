"""Scalars and enums as graphql-core completes them, without its way through every type."""

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from strawberry.schema.schema_converter import CustomGraphQLEnumType

# What the specification lets an Int hold.
MIN_INT, MAX_INT = -(2**31), 2**31 - 1
# Fields of messages whose every value is already what the type's completion would make of it.
SAME: dict[Any, frozenset[int]] = {
    GraphQLString: frozenset({FieldDescriptor.TYPE_STRING}),
    GraphQLID: frozenset({FieldDescriptor.TYPE_STRING}),
    GraphQLBoolean: frozenset({FieldDescriptor.TYPE_BOOL}),
    GraphQLInt: frozenset({FieldDescriptor.TYPE_INT32}),
}
# What values are whose completion is themselves, but for numbers that don't fit.
EXPECTED: dict[Any, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
    GraphQLInt: int,
    GraphQLFloat: float,
}
FITS: dict[Any, Callable[[Any], bool]] = {
    GraphQLInt: lambda value: MIN_INT <= value <= MAX_INT,
    GraphQLFloat: isfinite,
}
Values = Sequence[Any]


class Surprise(Exception):  # noqa: N818 - no error: the stock executor takes over, and decides
    """A value that the compiled completion leaves to graphql-core."""


def completer(kind: GraphQLLeafType, *, nullable: bool) -> Callable[[Values], Iterable[Any]]:
    """The function that completes values of a type; it may raise anything for what isn't usual."""
    if isinstance(kind, CustomGraphQLEnumType):
        return _member_names(kind, nullable=nullable)
    if kind in EXPECTED:
        return _expected(kind, nullable=nullable)
    return _coerced(kind, nullable=nullable)


def _expected(kind: GraphQLLeafType, *, nullable: bool) -> Callable[[Values], Iterable[Any]]:
    types = {EXPECTED[kind], type(None)} if nullable else {EXPECTED[kind]}
    fits = FITS.get(kind)

    def complete(values: Values) -> Values:
        if not types.issuperset(map(type, values)):
            raise Surprise
        # Neither None nor a nought needs a look.
        if fits is not None and not all(map(fits, filter(None, values))):
            raise Surprise
        return values

    return complete


def _member_names(
    kind: CustomGraphQLEnumType, *, nullable: bool
) -> Callable[[Values], Iterable[Any]]:
    members: Iterable[Any] = kind.wrapped_cls
    names: dict[Any, str | None] = {one: kind.coerce_output_value(one) for one in members}
    if nullable:
        names[None] = None
    return lambda values: list(map(names.__getitem__, values))


def _coerced(kind: GraphQLLeafType, *, nullable: bool) -> Callable[[Values], Iterable[Any]]:
    coerce = kind.coerce_output_value

    def complete_one(value: Any) -> Any:
        if value is None and nullable:
            return None
        completed = coerce(value)
        if completed is None or completed is Undefined:
            raise Surprise
        return completed

    return lambda values: list(map(complete_one, values))

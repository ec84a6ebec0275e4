"""Completes scalars and enums, with the same results as graphql-core but many values at a time."""

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

# The range of an Int in the GraphQL specification.
MIN_INT, MAX_INT = -(2**31), 2**31 - 1
# Protobuf field types whose values are already valid output of a GraphQL type.
VALID_OUTPUT: dict[Any, frozenset[int]] = {
    GraphQLString: frozenset({FieldDescriptor.TYPE_STRING}),
    GraphQLID: frozenset({FieldDescriptor.TYPE_STRING}),
    GraphQLBoolean: frozenset({FieldDescriptor.TYPE_BOOL}),
    GraphQLInt: frozenset({FieldDescriptor.TYPE_INT32}),
}
# Python types whose values are already valid output, except for numbers out of range.
OUTPUT_TYPES: dict[Any, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
    GraphQLInt: int,
    GraphQLFloat: float,
}
IN_RANGE: dict[Any, Callable[[Any], bool]] = {
    GraphQLInt: lambda value: MIN_INT <= value <= MAX_INT,
    GraphQLFloat: isfinite,
}
Values = Sequence[Any]


class Surprise(Exception):  # noqa: N818 - no error: graphql-core takes over
    """A value that compiled completion can't handle, so that graphql-core completes it."""


def completer(kind: GraphQLLeafType, *, nullable: bool) -> Callable[[Values], Iterable[Any]]:
    """Return a function that completes values of a type; it may raise anything for an unusual value."""
    if isinstance(kind, CustomGraphQLEnumType):
        return _member_names(kind, nullable=nullable)
    if kind in OUTPUT_TYPES:
        return _unchanged(kind, nullable=nullable)
    return _coerced(kind, nullable=nullable)


def _unchanged(kind: GraphQLLeafType, *, nullable: bool) -> Callable[[Values], Iterable[Any]]:
    types = {OUTPUT_TYPES[kind], type(None)} if nullable else {OUTPUT_TYPES[kind]}
    in_range = IN_RANGE.get(kind)

    def complete(values: Values) -> Values:
        if not types.issuperset(map(type, values)):
            raise Surprise
        # None and 0 are always in range.
        if in_range is not None and not all(map(in_range, filter(None, values))):
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

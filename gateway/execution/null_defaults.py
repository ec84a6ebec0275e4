"""Treats an explicit null for an argument or input field with a default as that default."""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
)

# Defaults of one field's arguments, or of one input's fields, by their names in Python.
Defaults = dict[str, Any]


def accept_null(schema: GraphQLSchema) -> None:
    """Make every argument and input field with a default nullable, and read null as that default.

    Some clients send null for values that they omit. `Int! = 20` would refuse that, and with `Int = 20`
    each resolver would have to repeat the default.
    """
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            _accept_in_input(type_)
        elif isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for field in type_.fields.values():
                _accept_in_field(field)


def defaults_of(field: GraphQLField) -> Defaults:
    """Return the defaults of a field's arguments, except null, by their names in Python."""
    found = {arg.out_name or name: _default(arg) for name, arg in field.args.items()}
    return {name: default for name, default in found.items() if default is not None}


def filled(given: dict[str, Any], defaults: Defaults) -> dict[str, Any]:
    """Return coerced arguments with each null replaced by its default."""
    if None not in given.values():
        return given
    return {name: defaults.get(name) if value is None else value for name, value in given.items()}


def _default(value: GraphQLArgument | GraphQLInputField) -> Any:
    return None if value.default_value is Undefined else value.default_value


def _relax(value: GraphQLArgument | GraphQLInputField) -> None:
    if _default(value) is not None and isinstance(value.type, GraphQLNonNull):
        value.type = value.type.of_type


def _accept_in_input(type_: GraphQLInputObjectType) -> None:
    defaults: Defaults = {}
    for name, field in type_.fields.items():
        if (default := _default(field)) is not None:
            defaults[field.out_name or name] = default
            _relax(field)
    if defaults:
        into = type_.out_type

        def out_type(value: dict[str, Any]) -> Any:
            return into(filled(value, defaults))

        # An attribute of the instance, so graphql-core calls it without `self`.
        type_.out_type = out_type  # type: ignore[method-assign] # as its constructor does


def _accept_in_field(field: GraphQLField) -> None:
    defaults = defaults_of(field)
    if not defaults:
        return
    for argument in field.args.values():
        _relax(argument)
    if field.resolve is not None:
        field.resolve = _filling(field.resolve, defaults)
    if field.subscribe is not None:
        field.subscribe = _filling(field.subscribe, defaults)


def _filling(resolve: Callable[..., Any], defaults: Defaults) -> Callable[..., Any]:
    def with_defaults(source: Any, info: Any, **given: Any) -> Any:
        return resolve(source, info, **filled(given, defaults))

    return with_defaults

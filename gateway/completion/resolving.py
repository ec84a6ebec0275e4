"""The way from graphql-core to the methods of queries, with equal arguments converted once."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter, get_arguments
from strawberry.types.field import StrawberryField

from gateway.auth import SessionRequired

# Sets of arguments that are kept for each field: those of a shop's pages, and then it begins anew.
KEPT = 500


def remember_arguments(schema: GraphQLSchema, made_from: strawberry.Schema) -> None:
    """Has the queries of a schema take the short way; `inspect.unwrap` of a `resolve` gives the long one.

    Strawberry looks up every argument's type and name again for each request, which takes as long as
    the call that follows. Methods that are given the same objects again must not change them.
    """
    fields = schema.query_type.fields.values() if schema.query_type else ()
    for field in _plain(fields):
        field.resolve = _resolver(field, made_from)


def _plain(fields: Iterable[GraphQLField]) -> Iterable[GraphQLField]:
    """Those that are asynchronous methods with `self` and `info`, guarded by a session at most."""
    for field in fields:
        declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(declared, StrawberryField) or declared.base_resolver is None:
            continue
        method = declared.base_resolver
        if (
            declared.is_async
            and method.self_parameter
            and method.info_parameter
            and all(type(extension) is SessionRequired for extension in declared.extensions)
        ):
            yield field


def _resolver(field: GraphQLField, made_from: strawberry.Schema) -> Callable[..., Any]:
    declared: StrawberryField = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    long_way = field.resolve
    assert long_way is not None  # it has a method
    assert declared.base_resolver is not None  # likewise
    assert declared.base_resolver.info_parameter is not None  # likewise
    method: Any = declared.base_resolver.wrapped_func
    info_name = declared.base_resolver.info_parameter.name
    guarded = bool(declared.extensions)
    known: dict[Any, dict[str, Any]] = {}

    def converted(info: strawberry.Info, given: dict[str, Any]) -> dict[str, Any]:
        try:
            key = _key(given)
            found = known.get(key)
        except TypeError:  # a value that can't be a key
            key, found = None, None
        if found is None:
            _, found = get_arguments(
                field=declared,
                source=None,
                info=info,
                kwargs=given,
                config=made_from.config,
                scalar_registry=made_from.schema_converter.scalar_registry,
            )
            del found[info_name]
            if len(known) >= KEPT:
                known.clear()
            if key is not None:
                known[key] = found
        return found

    @wraps(long_way)
    async def resolve(source: Any, info: Any, **given: Any) -> Any:
        asked: Any = made_from.config.info_class(_raw_info=info, _field=declared)
        arguments = converted(asked, given)
        if guarded:
            asked.context.require_session()
        return await method(source, **{info_name: asked}, **arguments)

    return resolve


def _key(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _key(one)) for name, one in value.items())
    if isinstance(value, list):
        return list, tuple(map(_key, value))
    return type(value), value

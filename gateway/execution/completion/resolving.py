"""The way to the methods of queries, with equal arguments converted once."""

from functools import wraps
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter, get_arguments
from strawberry.types.field import StrawberryField

from gateway.documents.bounded_cache import characters
from gateway.execution.auth import SessionRequired
from gateway.execution.null_defaults import Defaults, defaults_of, filled

# Sets of arguments that are kept for each field: those of a shop's pages, and then it begins anew.
KEPT = 500
# Characters of one set. An id or a search has fewer; a client may send as many as a request holds.
LONGEST = 1_024
# Under this name a query's field carries its Method.
METHOD = "esimgo.method"


class Left:
    """What a query's method gave, or raised, left to graphql-core to be completed or put into words.

    Executed with it as the root's value, the operation's one field is not resolved again.
    """

    def __init__(self, value: Any, error: Exception | None = None) -> None:
        self._value = value
        self._error = error

    def give(self) -> Any:
        """What the method gave; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._value


class Method:
    """The method of a query's field.

    Strawberry looks up every argument's type and name again for each request, which takes as long as
    the call that follows. Methods that are given the same objects again must not change them.
    """

    def __init__(
        self, declared: StrawberryField, made_from: strawberry.Schema, defaults: Defaults
    ) -> None:
        """`declared` is fit, as `_fit` tells; `defaults` stand in for arguments that are null."""
        method = declared.base_resolver
        assert method is not None  # of a fit one
        assert method.info_parameter is not None  # likewise
        self._function: Any = method.wrapped_func
        self._info_name = method.info_parameter.name
        self._declared = declared
        self._made_from = made_from
        self._defaults = defaults
        self._guards: list[Any] = list(declared.extensions)
        self._known: dict[Any, dict[str, Any]] = {}

    async def call(self, raw_info: Any, given: dict[str, Any]) -> Any:
        """Calls it with arguments as graphql-core gives them; raises what it does."""
        info = self.info(raw_info)
        return await self.called(info, self.arguments(info, given))

    def info(self, raw_info: Any) -> Any:
        """What the method is told of the request."""
        return self._made_from.config.info_class(_raw_info=raw_info, _field=self._declared)

    async def called(self, info: Any, arguments: dict[str, Any]) -> Any:
        """Calls it with arguments that were converted."""
        for guard in self._guards:
            guard.check(info.context)
        return await self._function(None, **{self._info_name: info}, **arguments)

    def arguments(self, info: strawberry.Info, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the method takes them."""
        given = filled(given, self._defaults)
        try:
            key = _key(given)
            found = self._known.get(key)
        except TypeError:  # a value that can't be a key
            key, found = None, None
        if found is None:
            found = self._convert(info, given)
            if len(self._known) >= KEPT:
                self._known.clear()
            if key is not None and characters(key) <= LONGEST:
                self._known[key] = found
        return found

    def _convert(self, info: strawberry.Info, given: dict[str, Any]) -> dict[str, Any]:
        _, found = get_arguments(
            field=self._declared,
            source=None,
            info=info,
            kwargs=given,
            config=self._made_from.config,
            scalar_registry=self._made_from.schema_converter.scalar_registry,
        )
        del found[self._info_name]
        return found


def remember_arguments(schema: GraphQLSchema, made_from: strawberry.Schema) -> None:
    """Has the queries of a schema take the short way; `inspect.unwrap` of a `resolve` gives the long one."""
    fields = schema.query_type.fields.values() if schema.query_type else ()
    for field in fields:
        declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(declared, StrawberryField) and _fit(declared):
            defaults = defaults_of(field)
            method = field.extensions[METHOD] = Method(declared, made_from, defaults)
            _resolve_by(field, method)


def _fit(declared: StrawberryField) -> bool:
    """Whether it is an asynchronous method with `self` and `info`, guarded by a session at most."""
    method = declared.base_resolver
    return (
        method is not None
        and declared.is_async
        and method.self_parameter is not None
        and method.info_parameter is not None
        and all(type(extension) is SessionRequired for extension in declared.extensions)
    )


def _resolve_by(field: GraphQLField, method: Method) -> None:
    long_way = field.resolve
    assert long_way is not None  # it has a method

    @wraps(long_way)
    async def resolve(source: Any, info: Any, **given: Any) -> Any:
        if type(source) is Left:
            return source.give()
        return await method.call(info, given)

    field.resolve = resolve


def _key(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _key(one)) for name, one in value.items())
    if isinstance(value, list):
        return list, tuple(map(_key, value))
    return type(value), value

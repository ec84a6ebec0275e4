"""Calls the methods of queries, and caches the conversion of their arguments."""

from functools import wraps
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter, get_arguments
from strawberry.types.field import StrawberryField

from gateway.documents.bounded_cache import characters
from gateway.execution.auth import SessionRequired
from gateway.execution.null_defaults import Defaults, defaults_of, filled

# Converted argument sets that are cached for each field. When the cache is full, it is cleared.
MAX_CACHED = 500
# Characters of a cached argument set. Ids and searches have fewer.
MAX_CHARACTERS = 1_024
# Extension key of the Method of a query's field.
METHOD = "esimgo.method"


class Resolved:
    """The result or exception of a query's method, for graphql-core to complete or report.

    As the root value of an execution, it keeps the operation's one field from being resolved again.
    """

    def __init__(self, value: Any, error: Exception | None = None) -> None:
        self._value = value
        self._error = error

    def result(self) -> Any:
        """Return the method's result, or raise its exception."""
        if self._error is not None:
            raise self._error
        return self._value


class Method:
    """Calls the method of a query's field with cached argument conversion.

    Strawberry looks up the type and name of every argument again for each request, which takes as long as the
    call itself. Cached argument objects are shared between requests, so methods must not modify them.
    """

    def __init__(
        self, declared: StrawberryField, schema: strawberry.Schema, defaults: Defaults
    ) -> None:
        """`declared` must satisfy `_fit`; `defaults` replace null arguments."""
        method = declared.base_resolver
        assert method is not None  # checked by _fit
        assert method.info_parameter is not None
        self._function: Any = method.wrapped_func
        self._info_name = method.info_parameter.name
        self._declared = declared
        self._schema = schema
        self._defaults = defaults
        self._guards: list[Any] = list(declared.extensions)
        self._cached: dict[Any, dict[str, Any]] = {}

    async def call(self, raw_info: Any, given: dict[str, Any]) -> Any:
        """Call the method with arguments as graphql-core passes them."""
        info = self.info(raw_info)
        return await self.call_converted(info, self.arguments(info, given))

    def info(self, raw_info: Any) -> Any:
        """Return the `info` argument of the method."""
        return self._schema.config.info_class(_raw_info=raw_info, _field=self._declared)

    async def call_converted(self, info: Any, arguments: dict[str, Any]) -> Any:
        """Check the guards and call the method with converted arguments."""
        for guard in self._guards:
            guard.check(info.context)
        return await self._function(None, **{self._info_name: info}, **arguments)

    def arguments(self, info: strawberry.Info, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments as the method expects them."""
        given = filled(given, self._defaults)
        try:
            key = _key(given)
            found = self._cached.get(key)
        except TypeError:  # an unhashable value
            key, found = None, None
        if found is None:
            found = self._convert(info, given)
            if len(self._cached) >= MAX_CACHED:
                self._cached.clear()
            if key is not None and characters(key) <= MAX_CHARACTERS:
                self._cached[key] = found
        return found

    def _convert(self, info: strawberry.Info, given: dict[str, Any]) -> dict[str, Any]:
        _, found = get_arguments(
            field=self._declared,
            source=None,
            info=info,
            kwargs=given,
            config=self._schema.config,
            scalar_registry=self._schema.schema_converter.scalar_registry,
        )
        del found[self._info_name]
        return found


def cache_arguments(core: GraphQLSchema, schema: strawberry.Schema) -> None:
    """Resolve a schema's queries by Methods; `inspect.unwrap(resolve)` is Strawberry's own resolver."""
    fields = core.query_type.fields.values() if core.query_type else ()
    for field in fields:
        declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(declared, StrawberryField) and _fit(declared):
            defaults = defaults_of(field)
            method = field.extensions[METHOD] = Method(declared, schema, defaults)
            _resolve_by(field, method)


def _fit(declared: StrawberryField) -> bool:
    """True for an asynchronous method with `self` and `info` that has no extensions but SessionRequired."""
    method = declared.base_resolver
    return (
        method is not None
        and declared.is_async
        and method.self_parameter is not None
        and method.info_parameter is not None
        and all(type(extension) is SessionRequired for extension in declared.extensions)
    )


def _resolve_by(field: GraphQLField, method: Method) -> None:
    original = field.resolve
    assert original is not None  # it has a method

    @wraps(original)
    async def resolve(source: Any, info: Any, **given: Any) -> Any:
        if type(source) is Resolved:
            return source.result()
        return await method.call(info, given)

    field.resolve = resolve


def _key(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _key(one)) for name, one in value.items())
    if isinstance(value, list):
        return list, tuple(map(_key, value))
    return type(value), value

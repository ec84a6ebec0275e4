"""Schema types that are views of a service's messages, and the declarations of how to read each field."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, Self, TypeVar, cast, overload

import strawberry
from graphql import GraphQLOutputType, get_named_type
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition

from gateway.execution.columns import Column, attribute
from gateway.upstream.context import Info

Kind = TypeVar("Kind", bound="View")
# Metadata key of a field's declaration.
DECLARATION = "esimgo.declaration"


@dataclass(frozen=True, slots=True)
class Read:
    """A value in the message: an attribute path such as `price.currency_code`, or a column."""

    source: str | Column

    @property
    def column(self) -> Column:
        return attribute(self.source) if isinstance(self.source, str) else self.source


@dataclass(frozen=True, slots=True)
class Listed:
    """A repeated field of messages, each viewed as an object."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """One or several messages from a loader; null if `hidden` returns true for them."""

    loader: str
    key: Callable[[Any], Any]
    hidden: Callable[[Any, Any], bool] | None

    def visible(self, messages: Sequence[Any], found: Sequence[Any]) -> Sequence[Any]:
        """Return the loaded value for each message; None where the field is null."""
        hidden = self.hidden
        if hidden is None:
            return found
        pairs = zip(messages, found, strict=True)
        return [None if one is None or hidden(message, one) else one for message, one in pairs]


class View:
    """Base of schema types that declare `proto` and, with the functions below, their fields.

    Attributes are read from the message on access, so that a request pays only for selected fields. Compiled
    completion reads the same declarations without creating views.
    """

    proto: Any

    @classmethod
    def of(cls, proto: Any) -> Self:
        view = cls.__new__(cls)
        view.proto = proto
        return view

    def __getattr__(self, name: str) -> Any:
        # Called only for attributes that are not in the object's `__dict__` yet.
        column = _columns(type(self)).get(name)  # type: ignore[arg-type] # classes can be hashed
        if column is None:
            raise AttributeError(f"{type(self).__name__} has no field {name}")
        (value,) = column.values((self.proto,))
        self.__dict__[name] = value
        return value


class Views(Sequence[Kind]):
    """A list of views that are created on access."""

    def __init__(self, kind: type[Kind], protos: Sequence[Any]) -> None:
        self.kind = kind
        self.protos = protos

    def __len__(self) -> int:
        return len(self.protos)

    @overload
    def __getitem__(self, index: int) -> Kind: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Kind]: ...
    def __getitem__(self, index: int | slice) -> Kind | Sequence[Kind]:
        if isinstance(index, slice):
            return Views(self.kind, self.protos[index])
        return self.kind.of(self.protos[index])

    def __iter__(self) -> Iterator[Kind]:
        return map(self.kind.of, self.protos)


def views(kind: type[Kind], protos: Sequence[Any]) -> list[Kind]:
    """Return views of messages from a resolver; the schema declares them as a list."""
    return cast("list[Kind]", Views(kind, protos))


@cache
def _columns(kind: Any) -> dict[str, Column]:
    """Return the columns of a view by their fields' names in Python."""
    definition: StrawberryObjectDefinition = kind.__strawberry_definition__
    declarations = (
        (field.python_name, field.metadata.get(DECLARATION)) for field in definition.fields
    )
    return {
        name: declaration.column for name, declaration in declarations if type(declaration) is Read
    }


def class_of(type_: GraphQLOutputType) -> Any:
    """Return the class behind a schema type, or behind the items of a list; None if there is none."""
    definition = get_named_type(type_).extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return getattr(definition, "origin", None)


def read(source: str | Column, *, description: str, name: str | None = None) -> Any:
    """Declare a field whose value is in the message."""
    return strawberry.field(
        name=name, description=description, metadata={DECLARATION: Read(source)}
    )


def listed(attribute: str, kind: type[View], *, description: str) -> Any:
    """Declare a field with the messages of a repeated field, which count as objects of the response."""

    def resolve(self: Any, info: Info) -> list[Any]:
        messages = getattr(self.proto, attribute)
        info.context.spend(len(messages))
        return views(kind, messages)

    return strawberry.field(
        resolve,
        graphql_type=list[kind],  # type: ignore[valid-type] # a runtime type
        description=description,
        metadata={DECLARATION: Listed(attribute)},
    )


def loaded(
    loader: str,
    key: str | Callable[[Any], Any],
    kind: Any,
    *,
    description: str,
    hidden: Callable[[Any, Any], bool] | None = None,
) -> Any:
    """Declare a field that is loaded by the loader of that name, with `key` of the message.

    `kind` is the field's type, which must be nullable: the field is null if nothing was loaded, or if
    `hidden(message, loaded)` is true. The items of a list count as objects of the response.
    """
    declaration = Loaded(loader, attrgetter(key) if isinstance(key, str) else key, hidden)

    async def resolve(self: Any, info: Info) -> Any:
        found = await info.context.loaders.of(loader).load(declaration.key(self.proto))
        (value,) = declaration.visible((self.proto,), (found,))
        if value is None:
            return None
        view = class_of(info._raw_info.return_type)
        if not isinstance(value, list):
            return view.of(value)
        info.context.spend(len(value))
        return views(view, value)

    return strawberry.field(
        resolve, graphql_type=kind, description=description, metadata={DECLARATION: declaration}
    )

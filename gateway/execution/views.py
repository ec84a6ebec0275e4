"""Objects of the schema that show a service's message: how each field is read is declared beside it."""

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

Shown = TypeVar("Shown", bound="View")
# Under this name the schema's fields carry how they are read.
DECLARATION = "esimgo.declaration"


@dataclass(frozen=True, slots=True)
class Read:
    """A value of the message: an attribute's path such as `price.currency_code`, or a column."""

    source: str | Column

    @property
    def column(self) -> Column:
        """As a column in any case."""
        return attribute(self.source) if isinstance(self.source, str) else self.source


@dataclass(frozen=True, slots=True)
class Listed:
    """Messages within the message, each shown as an object of its own."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Messages that a loader has for a key of the message, shown unless `hidden` says so of the two."""

    loader: str
    key: Callable[[Any], Any]
    hidden: Callable[[Any, Any], bool] | None

    def shown(self, messages: Sequence[Any], found: Sequence[Any]) -> Sequence[Any]:
        """What was loaded for each; None for what is to be null."""
        hidden = self.hidden
        if hidden is None:
            return found
        pairs = zip(messages, found, strict=True)
        return [None if one is None or hidden(message, one) else one for message, one in pairs]


class View:
    """Subclasses are schema types that declare `proto` and fields by the functions below.

    Attributes are read from the message when they are asked for, so that a request pays for the
    fields that it selects. The compiled completion reads the same declarations without any view.
    """

    proto: Any

    @classmethod
    def of(cls, proto: Any) -> Self:
        """The object that shows this message."""
        view = cls.__new__(cls)
        view.proto = proto
        return view

    def __getattr__(self, name: str) -> Any:
        # Asked only for what the object doesn't hold yet.
        column = _columns(type(self)).get(name)  # type: ignore[arg-type] # classes can be hashed
        if column is None:
            raise AttributeError(f"{type(self).__name__} has no field {name}")
        (value,) = column.values((self.proto,))
        self.__dict__[name] = value
        return value


class Views(Sequence[Shown]):
    """A list of views, each made when it is reached."""

    def __init__(self, kind: type[Shown], protos: Sequence[Any]) -> None:
        self.kind = kind
        self.protos = protos

    def __len__(self) -> int:
        return len(self.protos)

    @overload
    def __getitem__(self, index: int) -> Shown: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Shown]: ...
    def __getitem__(self, index: int | slice) -> Shown | Sequence[Shown]:
        if isinstance(index, slice):
            return Views(self.kind, self.protos[index])
        return self.kind.of(self.protos[index])

    def __iter__(self) -> Iterator[Shown]:
        return map(self.kind.of, self.protos)


def views(kind: type[Shown], protos: Sequence[Any]) -> list[Shown]:
    """What a resolver returns for messages; to the schema it is a list."""
    return cast("list[Shown]", Views(kind, protos))


@cache
def _columns(kind: Any) -> dict[str, Column]:
    """By a field's name in Python, how it is read from messages."""
    definition: StrawberryObjectDefinition = kind.__strawberry_definition__
    declarations = (
        (field.python_name, field.metadata.get(DECLARATION)) for field in definition.fields
    )
    return {
        name: declaration.column for name, declaration in declarations if type(declaration) is Read
    }


def class_of(type_: GraphQLOutputType) -> Any:
    """The class that a type of the schema was made from, also within a list; None where there is none."""
    definition = get_named_type(type_).extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return getattr(definition, "origin", None)


def read(source: str | Column, *, description: str, name: str | None = None) -> Any:
    """A field whose value is at hand in the message."""
    return strawberry.field(
        name=name, description=description, metadata={DECLARATION: Read(source)}
    )


def listed(attribute: str, kind: type[View], *, description: str) -> Any:
    """A field that shows the messages of a repeated field, and counts them as objects of the answer."""

    def resolve(self: Any, info: Info) -> list[Any]:
        messages = getattr(self.proto, attribute)
        info.context.spend(len(messages))
        return views(kind, messages)

    return strawberry.field(
        resolve,
        graphql_type=list[kind],  # type: ignore[valid-type] # known when the schema is built
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
    """A field of what `loader`, one of Loaders, has for a key: a field of the message, or made of it.

    `kind` is the field's type, which may be null. So it is when nothing was loaded, and when `hidden`
    says so of the message and what was loaded. Those of a list count as objects of the answer.
    """
    declaration = Loaded(loader, attrgetter(key) if isinstance(key, str) else key, hidden)

    async def resolve(self: Any, info: Info) -> Any:
        found = await info.context.loaders.of(loader).load(declaration.key(self.proto))
        (shown,) = declaration.shown((self.proto,), (found,))
        if shown is None:
            return None
        view = class_of(info._raw_info.return_type)
        if not isinstance(shown, list):
            return view.of(shown)
        info.context.spend(len(shown))
        return views(view, shown)

    return strawberry.field(
        resolve, graphql_type=kind, description=description, metadata={DECLARATION: declaration}
    )

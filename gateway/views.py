"""Objects of the schema that show a service's message: how each field is read is declared beside it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Self, TypeVar, cast, overload

import strawberry
from strawberry.types.base import StrawberryObjectDefinition

from gateway.context import Info
from kit import timestamps

Shown = TypeVar("Shown", bound="View")
# Under this name the schema's fields carry how they are read.
READING = "esimgo.reading"


@dataclass(frozen=True, slots=True)
class Read:
    """A value of the message: an attribute's path such as `price.currency_code`, or what a function makes."""

    source: str | Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """Messages within the message, each shown as an object of its own."""

    attribute: str
    kind: "type[View]"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loader has for a key of the message; `make` is given the view and what was loaded."""

    loader: str
    key: str
    make: Callable[[Any, Any], Any]


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
        source = _sources(type(self)).get(name)  # type: ignore[arg-type] # classes can be hashed
        if source is None:
            raise AttributeError(f"{type(self).__name__} has no field {name}")
        value = self.__dict__[name] = source(self.proto)
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
def _sources(kind: Any) -> dict[str, Callable[[Any], Any]]:
    """By a field's name in Python, the function that reads it from the message."""
    definition: StrawberryObjectDefinition = kind.__strawberry_definition__
    readings = ((field.python_name, field.metadata.get(READING)) for field in definition.fields)
    return {name: reader(reading.source) for name, reading in readings if type(reading) is Read}


def reader(source: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function of a message that a source stands for."""
    if callable(source):
        return source
    path = source.split(".")

    def read_path(message: Any) -> Any:
        for step in path:
            message = getattr(message, step)
        return (
            list(message)
            if isinstance(message, Sequence) and not isinstance(message, str)
            else message
        )

    return read_path


def present(attribute: str) -> Callable[[Any], Any]:
    """Reads an optional field; None when it is absent."""
    return lambda message: getattr(message, attribute) if message.HasField(attribute) else None


def filled(attribute: str) -> Callable[[Any], Any]:
    """Reads a text; None when it is empty."""
    return lambda message: getattr(message, attribute) or None


def moment(attribute: str) -> Callable[[Any], datetime | None]:
    """Reads a time; None when it is absent."""

    def read_moment(message: Any) -> datetime | None:
        if not message.HasField(attribute):
            return None
        return timestamps.from_proto(getattr(message, attribute))

    return read_moment


def member(attribute: str, shown: type[Enum], numbers: Any, prefix: str) -> Callable[[Any], Any]:
    """Reads an enum as the schema's of the same names; the messages' begin with `prefix`.

    The reading raises KeyError for a number that the schema has no name for.
    """
    known = {
        number: shown[name.removeprefix(prefix)]
        for name, number in numbers.items()
        if name.removeprefix(prefix) in shown.__members__
    }
    return lambda message: known[getattr(message, attribute)]


def read(source: str | Callable[[Any], Any], *, description: str, name: str | None = None) -> Any:
    """A field whose value is at hand in the message."""
    return strawberry.field(name=name, description=description, metadata={READING: Read(source)})


def listed(attribute: str, kind: type[View], *, description: str) -> Any:
    """A field that shows the messages of a repeated field, and counts them as objects of the answer."""

    def resolve(self: Any, info: Info) -> list[Any]:
        messages = getattr(self.proto, attribute)
        info.context.spend(len(messages))
        return [kind.of(message) for message in messages]

    return strawberry.field(
        resolve,
        graphql_type=list[kind],  # type: ignore[valid-type] # known when the schema is built
        description=description,
        metadata={READING: Listed(attribute, kind)},
    )


def loaded(
    loader: str, key: str, *, description: str
) -> Callable[[Callable[[Any, Any], Any]], Any]:
    """Makes a method of what was loaded a field: `loader` is one of Loaders, `key` a field of the message."""

    def decorate(make: Callable[[Any, Any], Any]) -> Any:
        async def resolve(self: Any, info: Info) -> Any:
            found = await info.context.loaders.of(loader).load(getattr(self.proto, key))
            made = make(self, found)
            if isinstance(made, Sequence):
                info.context.spend(len(made))
            return made

        resolve.__name__, resolve.__module__ = make.__name__, make.__module__
        resolve.__annotations__ = {"info": Info, "return": make.__annotations__["return"]}
        return strawberry.field(
            resolve, description=description, metadata={READING: Loaded(loader, key, make)}
        )

    return decorate

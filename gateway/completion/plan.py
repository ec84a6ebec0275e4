"""Selections compiled once: what to take from each message or object, and under which name to answer it."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, get_args

from google.protobuf.descriptor import Descriptor
from graphql import (
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    is_leaf_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from gateway.completion.leaves import EXPECTED, SAME, Surprise, completer
from gateway.slices import Slices
from gateway.views import READING, Listed, Loaded, Read, View, Views, reader

# A field's nodes, as graphql-core collects them for one name in the answer.
Details = list[Any]
Collect = Callable[[GraphQLObjectType, Details], dict[str, Details]]


class Unfit(Exception):  # noqa: N818 - no error: the stock executor completes these
    """A selection with something that can't be completed ahead of its time, such as a resolver."""


class Run:
    """The completion of one field's value: what its objects still wait for, and how many it may have."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.objects = 0
        self.waiting: list[tuple[ObjectPlan, Sequence[Any], list[dict[str, Any]]]] = []

    def count(self, objects: int) -> None:
        """Raises Surprise when the answer would hold too many objects; graphql-core finds where."""
        self.objects += objects
        if self.objects > self.room:
            raise Surprise


Complete = Callable[[Any, Run], Any]


class LoadedField(NamedTuple):
    """A field that waits for a loader."""

    name: str
    reading: Loaded
    complete: Complete


class ObjectPlan:
    """How the objects of one type become what one selection asks of them.

    They are completed from their sources: the messages of views, and the objects of other types.
    """

    def __init__(self, kind: GraphQLObjectType, details: Details, collect: Collect) -> None:
        """Raises Unfit for a selection that needs the stock executor."""
        definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if definition is None:
            raise Unfit
        self.kind: type[Any] = definition.origin
        self._viewed = issubclass(self.kind, View)
        self._message = _message(self.kind) if self._viewed else None
        self._collect = collect
        self._row: dict[str, Any] = {}
        self._plain: list[tuple[str, str]] = []
        self._made: list[tuple[str, Complete]] = []
        self.loaded: list[LoadedField] = []
        for name, selected in collect(kind, details).items():
            self._row[name] = None
            field_name = selected[0].node.name.value
            if field_name == "__typename":
                self._row[name] = kind.name
            elif field_name in kind.fields:
                self._add(name, kind.fields[field_name], selected)
            else:
                raise Unfit
        self._names = [name for name, _ in self._plain]
        self._get = _getter([path for _, path in self._plain])
        self._only_plain = self._names == list(self._row)

    def _add(self, name: str, field: GraphQLField, details: Details) -> None:
        declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(declared, StrawberryField):
            raise Unfit
        match declared.metadata.get(READING):
            case Read(source=source):
                self._add_read(name, field.type, source, details)
            case Listed(attribute=attribute, kind=kind):
                self._made.append((name, self._listed(attribute, kind, field.type, details)))
            case Loaded() as reading:
                complete = self._completion(field.type, details)
                self.loaded.append(LoadedField(name, reading, complete))
            case _ if declared.is_basic_field and not self._viewed:
                get = attrgetter(declared.python_name)
                complete = self._completion(field.type, details)
                self._made.append((name, lambda source, run: complete(get(source), run)))
            case _:
                raise Unfit

    def _add_read(
        self,
        name: str,
        type_: GraphQLOutputType,
        source: str | Callable[[Any], Any],
        details: Details,
    ) -> None:
        if isinstance(source, str) and _same(self._message, source, type_):
            self._plain.append((name, source))
            return
        get = reader(source)
        complete = self._completion(type_, details)
        self._made.append((name, lambda message, run: complete(get(message), run)))

    def _listed(
        self, attribute: str, kind: type[View], type_: GraphQLOutputType, details: Details
    ) -> Complete:
        get = attrgetter(attribute)
        plan = self._item_plan(type_, details)
        if plan.kind is not kind:
            raise Unfit

        def complete(message: Any, run: Run) -> list[dict[str, Any]]:
            messages = get(message)
            run.count(len(messages))
            return plan.rows(messages, run)

        return complete

    def _completion(self, type_: GraphQLOutputType, details: Details) -> Complete:
        return completion(type_, details, self._collect)

    def _item_plan(self, type_: GraphQLOutputType, details: Details) -> "ObjectPlan":
        plan = list_plan(type_, details, self._collect)
        if plan is None:
            raise Unfit
        return plan

    def sources(self, values: Any) -> Sequence[Any]:
        """Of what a resolver gave as a list of these objects; raises Surprise for anything else."""
        if type(values) is Views or type(values) is Slices:
            if values.kind is not self.kind:
                raise Surprise
            protos: Sequence[Any] = values.protos
            return protos
        if type(values) is not list:
            raise Surprise
        return [self.source(value) for value in values]

    def source(self, value: Any) -> Any:
        """Of one object; raises Surprise for what is none of these."""
        if type(value) is not self.kind:
            raise Surprise
        return value.proto if self._viewed else value

    def rows(self, sources: Sequence[Any], run: Run) -> list[dict[str, Any]]:
        """What is answered for each; fields of loaders are left empty, and noted in `run`."""
        names, get = self._names, self._get
        if self._only_plain:
            return [dict(zip(names, get(source))) for source in sources]  # noqa: B905 - as many by construction, and called for every country of every plan
        rows = []
        for source in sources:
            row = self._row.copy()
            if names:
                row.update(zip(names, get(source)))  # noqa: B905 - likewise
            for name, complete in self._made:
                row[name] = complete(source, run)
            rows.append(row)
        if self.loaded and rows:
            run.waiting.append((self, sources, rows))
        return rows


def completion(type_: GraphQLOutputType, details: Details, collect: Collect) -> Complete:
    """Completes values of a type; raises Unfit for a selection that needs the stock executor."""
    if not isinstance(type_, GraphQLNonNull):
        complete = _of_some(type_, details, collect)
        return lambda value, run: None if value is None else complete(value, run)
    if is_leaf_type(type_.of_type) and type_.of_type in EXPECTED:
        expected = EXPECTED[type_.of_type]  # which refuses None by itself
        return lambda value, run: expected(value)
    complete = _of_some(type_.of_type, details, collect)

    def never_null(value: Any, run: Run) -> Any:
        if value is None:
            raise Surprise
        return complete(value, run)

    return never_null


def _of_some(type_: GraphQLOutputType, details: Details, collect: Collect) -> Complete:
    if is_leaf_type(type_):
        leaf = completer(type_)
        return lambda value, run: leaf(value)
    if isinstance(type_, GraphQLObjectType):
        plan = ObjectPlan(type_, details, collect)
        return lambda value, run: plan.rows([plan.source(value)], run)[0]
    if not isinstance(type_, GraphQLList):
        raise Unfit
    items = list_plan(type_, details, collect)
    if items is not None:
        return lambda value, run: items.rows(items.sources(value), run)
    item = completion(type_.of_type, details, collect)

    def each(value: Any, run: Run) -> list[Any]:
        if type(value) is not list:
            raise Surprise
        return [item(one, run) for one in value]

    return each


def list_plan(type_: GraphQLOutputType, details: Details, collect: Collect) -> ObjectPlan | None:
    """The plan of the objects in a list that has no nulls; None for another type."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if not (isinstance(type_, GraphQLList) and isinstance(type_.of_type, GraphQLNonNull)):
        return None
    item = type_.of_type.of_type
    return ObjectPlan(item, details, collect) if isinstance(item, GraphQLObjectType) else None


def _getter(paths: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(paths) > 1:
        return attrgetter(*paths)
    return lambda source: tuple(attrgetter(path)(source) for path in paths)


def _message(kind: type[View]) -> Descriptor:
    # As declared: `proto: strawberry.Private[Message]`.
    message: Descriptor = get_args(kind.__annotations__["proto"])[0].DESCRIPTOR
    return message


def _same(message: Descriptor | None, path: str, type_: GraphQLOutputType) -> bool:
    """Whether completing the field of a message would change nothing, whatever its value."""
    *outer, last = path.split(".")
    for step in outer:
        message = message.fields_by_name[step].message_type if message else None
    if message is None or not isinstance(type_, GraphQLNonNull):
        return False
    field = message.fields_by_name[last]
    return not field.is_repeated and field.type in SAME.get(type_.of_type, frozenset())

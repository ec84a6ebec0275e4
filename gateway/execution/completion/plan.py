"""Compiles a selection into a plan that builds response rows directly from messages or objects."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice, repeat
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

from gateway.execution.completion.leaves import VALID_OUTPUT, Surprise, completer
from gateway.execution.time_slices import SlicedViews
from gateway.execution.views import DECLARATION, Listed, Loaded, Read, View, Views, class_of

# The nodes that graphql-core collects for one response name.
Details = list[Any]
Collect = Callable[[GraphQLObjectType, Details], dict[str, Details]]
Row = dict[str, Any]


class Unfit(Exception):  # noqa: N818 - no error: graphql-core completes these
    """A selection that can't be compiled, for example because it contains a resolver."""


class Run:
    """State of one completion: the rows that wait for loaders, and the number of objects so far."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.objects = 0
        self.waiting: list[tuple[ObjectPlan, Sequence[Any], list[Row]]] = []

    def count(self, objects: int) -> None:
        """Count objects; raise Surprise for too many, so that graphql-core reports where."""
        self.objects += objects
        if self.objects > self.room:
            raise Surprise


# Completes the values of one field, one for each row.
Complete = Callable[[Sequence[Any], Run], Iterable[Any]]


class LoadedField(NamedTuple):
    """A field that waits for a loader; `listed` if that returns lists of messages."""

    name: str
    declaration: Loaded
    plan: "ObjectPlan"
    listed: bool


class ObjectPlan:
    """Completes the objects of one type for one selection.

    The sources are the messages behind views, or the objects of other types. Completion proceeds field by
    field over all objects of a level, so that the loops over rows run in C.
    """

    def __init__(self, kind: GraphQLObjectType, details: Details, collect: Collect) -> None:
        """Compile the selection; raise Unfit if it needs graphql-core. `collect` is not retained."""
        self.kind: Any = class_of(kind)
        if self.kind is None:
            raise Unfit
        self._viewed = issubclass(self.kind, View)
        self._message = _message(self.kind) if self._viewed else None
        self._columns: dict[str, Complete] = {}
        self.loaded: list[LoadedField] = []
        for name, selected in collect(kind, details).items():
            field_name = selected[0].node.name.value
            if field_name == "__typename":
                self._columns[name] = _always(kind.name)
            elif field_name in kind.fields:
                self._columns[name] = self._column(name, kind.fields[field_name], selected, collect)
            else:
                raise Unfit

    def _column(
        self, name: str, field: GraphQLField, details: Details, collect: Collect
    ) -> Complete:
        declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(declared, StrawberryField):
            raise Unfit
        match declared.metadata.get(DECLARATION):
            case Read() as declaration:
                return self._read(declaration, field.type, details, collect)
            case Listed(attribute=attribute):
                return _listed(attribute, field.type, details, collect)
            case Loaded() as declaration:
                self.loaded.append(_loaded(name, declaration, field.type, details, collect))
                return _always(None)  # replaced once it is loaded
            case _ if declared.is_basic_field and not self._viewed:
                get = attrgetter(declared.python_name)
                complete = completion(field.type, details, collect)
                return lambda sources, run: complete(list(map(get, sources)), run)
        raise Unfit

    def _read(
        self, declaration: Read, type_: GraphQLOutputType, details: Details, collect: Collect
    ) -> Complete:
        if isinstance(declaration.source, str) and _is_valid_output(
            self._message, declaration.source, type_
        ):
            get = attrgetter(declaration.source)
            return lambda messages, run: map(get, messages)
        column = declaration.column
        if column.outputs is not None:
            outputs = column.outputs
            return lambda messages, run: outputs(messages)
        complete = completion(type_, details, collect)
        return lambda messages, run: complete(column.values(messages), run)

    def sources(self, values: Any) -> Sequence[Any]:
        """Return the sources of a list from a resolver; raise Surprise for any other value."""
        if type(values) is Views or type(values) is SlicedViews:
            if values.kind is not self.kind:
                raise Surprise
            protos: Sequence[Any] = values.protos
            return protos
        if type(values) is not list:
            raise Surprise
        return [self.source(value) for value in values]

    def source(self, value: Any) -> Any:
        """Return the source of one object; raise Surprise for any other value."""
        if type(value) is not self.kind:
            raise Surprise
        return value.proto if self._viewed else value

    def rows(self, sources: Sequence[Any], run: Run) -> list[Row]:
        """Complete each source; fields that need loaders stay None, and are recorded in `run`."""
        if not sources:
            return []
        columns = [complete(sources, run) for complete in self._columns.values()]
        names = self._columns.keys()
        rows = [dict(zip(names, values)) for values in zip(*columns, strict=True)]  # noqa: B905 - equal by construction, and called for every country of every plan
        if self.loaded:
            run.waiting.append((self, sources, rows))
        return rows

    def lists(self, lists: Sequence[Sequence[Any]], run: Run) -> list[list[Row]]:
        """Complete several lists of sources at once."""
        rows = iter(self.rows(list(chain.from_iterable(lists)), run))
        return [list(islice(rows, len(one))) for one in lists]


def _listed(
    attribute: str, type_: GraphQLOutputType, details: Details, collect: Collect
) -> Complete:
    get = attrgetter(attribute)
    plan = list_plan(type_, details, collect)
    if plan is None:
        raise Unfit

    def complete(messages: Sequence[Any], run: Run) -> list[list[Row]]:
        lists = list(map(get, messages))
        run.count(sum(map(len, lists)))
        return plan.lists(lists, run)

    return complete


def _loaded(
    name: str, declaration: Loaded, type_: GraphQLOutputType, details: Details, collect: Collect
) -> LoadedField:
    if isinstance(type_, GraphQLObjectType):
        return LoadedField(name, declaration, ObjectPlan(type_, details, collect), False)
    plan = list_plan(type_, details, collect)
    if plan is None or isinstance(type_, GraphQLNonNull):  # a loaded field must be nullable
        raise Unfit
    return LoadedField(name, declaration, plan, True)


def completion(type_: GraphQLOutputType, details: Details, collect: Collect) -> Complete:
    """Return the completion of a type's values; raise Unfit for a selection that needs graphql-core."""
    nullable = not isinstance(type_, GraphQLNonNull)
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if is_leaf_type(inner):
        leaf = completer(inner, nullable=nullable)
        return lambda values, run: leaf(values)
    complete = _of_non_null(inner, details, collect)
    if not nullable:
        return complete  # raises Surprise for None

    def complete_some(values: Sequence[Any], run: Run) -> Iterable[Any]:
        present = [value for value in values if value is not None]
        completed = iter(complete(present, run))
        return [None if value is None else next(completed) for value in values]

    return complete_some


def _of_non_null(type_: GraphQLOutputType, details: Details, collect: Collect) -> Complete:
    if isinstance(type_, GraphQLObjectType):
        plan = ObjectPlan(type_, details, collect)
        return lambda values, run: plan.rows([plan.source(value) for value in values], run)
    if not isinstance(type_, GraphQLList):
        raise Unfit
    items = list_plan(type_, details, collect)
    if items is not None:
        return lambda values, run: items.lists([items.sources(value) for value in values], run)
    complete = completion(type_.of_type, details, collect)

    def complete_lists(values: Sequence[Any], run: Run) -> Iterable[Any]:
        if not all(type(value) is list for value in values):
            raise Surprise
        completed = iter(complete(list(chain.from_iterable(values)), run))
        return [list(islice(completed, len(value))) for value in values]

    return complete_lists


def list_plan(type_: GraphQLOutputType, details: Details, collect: Collect) -> ObjectPlan | None:
    """Return the plan for a list of non-null objects; None for any other type."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if not (isinstance(type_, GraphQLList) and isinstance(type_.of_type, GraphQLNonNull)):
        return None
    item = type_.of_type.of_type
    return ObjectPlan(item, details, collect) if isinstance(item, GraphQLObjectType) else None


def _always(value: Any) -> Complete:
    return lambda sources, run: repeat(value, len(sources))


def _message(kind: type[View]) -> Descriptor:
    # Views declare `proto: strawberry.Private[Message]`.
    message: Descriptor = get_args(kind.__annotations__["proto"])[0].DESCRIPTOR
    return message


def _is_valid_output(message: Descriptor | None, path: str, type_: GraphQLOutputType) -> bool:
    """True if every value of a message's field is already valid output of the type."""
    *outer, last = path.split(".")
    for step in outer:
        message = message.fields_by_name[step].message_type if message else None
    if message is None or not isinstance(type_, GraphQLNonNull):
        return False
    field = message.fields_by_name[last]
    return not field.is_repeated and field.type in VALID_OUTPUT.get(type_.of_type, frozenset())

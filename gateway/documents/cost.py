"""Estimates the cost of an operation before it runs, from the objects that it may return and their work."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)

from gateway.documents.cost_units import (
    ALIASED,
    ASSUMED_LENGTHS,
    CALL,
    CALLS,
    CHANGE,
    DEFAULT_LENGTH,
    INTROSPECTION,
    MAX_LENGTH,
    NAME_LENGTH,
    PURCHASES,
    SIZES,
    WORK,
)
from gateway.documents.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Measured:
    """The estimated cost of an operation, and other properties that decide whether it may run."""

    cost: int
    introspects: bool
    # The part of the cost that depends on the rows of the response, and the assumed number of objects.
    rows: int = 0
    objects: int = 0
    purchases: int = 0

    def actual(self, objects: int) -> int:
        """Return the cost for the actual number of objects, because lists are often shorter than assumed."""
        if objects >= self.objects:
            return self.cost
        return self.cost - self.rows + self.rows * objects // self.objects


@dataclass(frozen=True, slots=True)
class _Part:
    """Cost of a selection: the part that counts once, and the part that counts for every row."""

    once: int = 0
    each: int = 0
    objects: int = 0  # in addition to the row itself

    def __add__(self, other: "_Part") -> "_Part":
        return _Part(self.once + other.once, self.each + other.each, self.objects + other.objects)


# Cached costs of one operation, by its list sizes. When the cache is full, it is cleared.
MAX_CACHED = 50


class Cost:
    """The cost of one valid operation, calculated once for each combination of its sizes."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        # The variables that the operation uses as list sizes.
        self._size_variables: frozenset[str] = frozenset()
        self._known: dict[tuple[tuple[str, int | None], ...], Measured] = {}

    def of(self, variables: Mapping[str, Any]) -> Measured:
        """Return the cost with these variables."""
        known = self._known.get(self._sizes(variables))
        if known is not None:
            return known
        sum_ = _Sum(self._prepared.schema, self._prepared.document, variables)
        measured = sum_.operation(self._prepared.operation)
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._size_variables = frozenset(sum_.size_variables)
        self._known[self._sizes(variables)] = measured
        return measured

    def _sizes(self, variables: Mapping[str, Any]) -> tuple[tuple[str, int | None], ...]:
        return tuple(
            (key, size(variables[key])) for key in self._size_variables if key in variables
        )


def size(value: object) -> int | None:
    """Return a variable's value as a list size; None for any other value."""
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _Sum:
    """Adds up the cost of one operation; `size_variables` are the variables that it used as list sizes."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._variables = variables
        self._defaults: dict[str, ValueNode] = {}
        self._introspects = False
        self._purchases = 0
        self.size_variables: set[str] = set()

    def operation(self, operation: OperationDefinitionNode) -> Measured:
        for definition in operation.variable_definitions or ():
            if definition.default_value is not None:
                self._defaults[definition.variable.name.value] = definition.default_value
        root = self._schema.get_root_type(operation.operation)
        assert root is not None  # ensured by validation
        whole = self._selection(root, [operation.selection_set], None)
        return Measured(
            whole.once + whole.each, self._introspects, whole.each, whole.objects, self._purchases
        )

    def _selection(
        self, kind: GraphQLNamedType, selections: list[SelectionSetNode], page: int | None
    ) -> _Part:
        if is_abstract_type(kind):
            possible = [
                self._selection(one, selections, page)
                for one in self._schema.get_possible_types(kind)
            ]
            return _Part(
                max(p.once for p in possible),
                max(p.each for p in possible),
                max(p.objects for p in possible),
            )
        assert is_object_type(kind)
        fields: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(kind, selection, fields)
        total = sum((self._field(kind, nodes, page) for nodes in fields.values()), _Part())
        long_names = sum(len(name) // NAME_LENGTH for name in fields)
        return total + _Part(each=ALIASED * _repeated(fields.values()) + long_names)

    def _collect(
        self,
        kind: GraphQLObjectType,
        selection: SelectionSetNode,
        fields: dict[str, list[FieldNode]],
    ) -> None:
        """Collect fields by response name, as execution merges them.

        Fields that @skip or @include may exclude count too.
        """
        for node in selection.selections:
            match node:
                case FieldNode():
                    response_name = node.alias.value if node.alias else node.name.value
                    fields.setdefault(response_name, []).append(node)
                case InlineFragmentNode():
                    if node.type_condition is None or self._fits(
                        kind, node.type_condition.name.value
                    ):
                        self._collect(kind, node.selection_set, fields)
                case FragmentSpreadNode():
                    fragment = self._fragments[node.name.value]
                    if self._fits(kind, fragment.type_condition.name.value):
                        self._collect(kind, fragment.selection_set, fields)

    def _fits(self, kind: GraphQLObjectType, condition: str) -> bool:
        if condition == kind.name:
            return True
        named = self._schema.get_type(condition)
        return is_abstract_type(named) and self._schema.is_sub_type(named, kind)

    def _field(self, parent: GraphQLObjectType, nodes: list[FieldNode], page: int | None) -> _Part:
        name = nodes[0].name.value
        if name == "__typename":
            return _Part()
        if name.startswith("__") or name == "_service":
            self._introspects = True
            return _Part(INTROSPECTION)
        field = parent.fields[name]
        place = f"{parent.name}.{name}"
        if place in PURCHASES:
            self._purchases += 1
        call, work = _own(self._schema, parent, place)
        kind = get_named_type(field.type)
        if is_leaf_type(kind):
            return _Part(call, work)
        requested = self._requested_size(field, nodes[0])
        rows, below = 1, requested
        if is_list_type(get_nullable_type(field.type)):
            rows, below = self._rows(place, requested if requested is not None else page), None
        inner = self._selection(kind, [n.selection_set for n in nodes if n.selection_set], below)
        return _Part(call + inner.once, work + rows * (1 + inner.each), rows * (1 + inner.objects))

    def _rows(self, place: str, requested: int | None) -> int:
        if requested is None:
            return ASSUMED_LENGTHS.get(place, DEFAULT_LENGTH)
        return max(0, min(requested, MAX_LENGTH))

    def _requested_size(self, field: GraphQLField, node: FieldNode) -> int | None:
        """Return the list size in a field's arguments; that of a connection applies one level below."""
        for name in SIZES:
            if name not in field.args:
                continue
            for argument in node.arguments or ():
                if argument.name.value == name:
                    return self._value(argument.value, field.args[name].default_value)
            return size(field.args[name].default_value)
        return None

    def _value(self, node: ValueNode, default: object) -> int | None:
        match node:
            case IntValueNode():
                return int(node.value)
            case ListValueNode():
                return len(node.values or ())
            case NullValueNode():
                return size(default)
            case VariableNode():
                name = node.name.value
                self.size_variables.add(name)
                if self._variables.get(name) is not None:
                    return size(self._variables[name])
                if name in self._variables:  # null means the default
                    return size(default)
                if name in self._defaults:
                    return self._value(self._defaults[name], default)
                return size(default)
        return None


def _repeated(fields: Collection[list[FieldNode]]) -> int:
    """Count the leaf fields that a selection repeats under an alias."""
    names = [nodes[0].name.value for nodes in fields if nodes[0].selection_set is None]
    return len(names) - len(set(names))


def _own(schema: GraphQLSchema, parent: GraphQLObjectType, place: str) -> tuple[int, int]:
    """Return a field's own cost, without the objects that it returns: once, and for each row."""
    work = WORK.get(place, 0)
    if parent is schema.mutation_type:
        return CALL + CHANGE + work, 0
    if parent in (schema.query_type, schema.subscription_type):
        return CALL + work, 0
    if place in CALLS:
        return CALL, work
    return 0, work

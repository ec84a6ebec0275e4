"""What an operation may cost, told before it runs: the objects that it may bring, and the work for them."""

from collections.abc import Mapping
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

# The unit is an object of the answer: some 20 microseconds of a core, from the message to the text.
#
# A call to a service, once for each place in a document, as the rows of a place are asked for together.
CALL = 10
# A row's part of a nested call: its look-up in the service, beside the object that it brings.
LOOKUP = 1
# An eSIM whose data is older than 300 s is asked for at the provider, ten of which a second is all.
PROVIDER = 5
# A change is at least one call of the provider's, and commits several times.
CHANGE = 100
# Two to thirty calls of the provider, for one order: some 20 orders are all that a customer's operation
# may cost, and all that the provider answers in its time.
EXAMINATION = 12_000
# A QR code takes 2 to 6 ms of a core.
DRAWING = 100
# Plans of a filter are counted up to seven ways: some 40 ms of a core for the provider's catalogue.
COUNTING = 2_000
# Rows of a customer, or of a shop, are counted to 10,000 at most: some 4 ms of the database.
COUNTING_ROWS = 200
# The whole description of the schema, which tools read at once: some 1,500 objects.
INTROSPECTION = 2_000

# Work beyond the objects, for each row.
WORK = {
    "Query.dataPlanFacets": COUNTING,
    "OrderConnection.totalCount": COUNTING_ROWS,
    "ESIMConnection.totalCount": COUNTING_ROWS,
    "ESIM.bundles": PROVIDER,
    "ESIM.usage": PROVIDER,
    "ESIM.qrCode": DRAWING,
    "ESIM.order": LOOKUP,
    "ESIM.plan": LOOKUP,
    "ESIM.topUpPlans": LOOKUP,
    "ESIMBundle.plan": LOOKUP,
    "Order.dataPlan": LOOKUP,
    "Order.esims": LOOKUP,
    "Order.timeline": LOOKUP,
    "Order.cancellation": EXAMINATION,
}
# Nested fields that a service is called for.
CALLS = frozenset(WORK) - {
    "ESIM.qrCode",
    "OrderConnection.totalCount",
    "ESIMConnection.totalCount",
}
# How long a list is taken to be where no argument says it.
ASSUMED = {
    "Query.dataPlans": 6_000,  # the provider's catalogue has 5,221 plans
    "Query.countries": 250,  # all that there are
    "Query.regions": 10,  # the provider's
    "DataPlanFacets.countries": 250,
    "DataPlanFacets.regions": 10,
    "DataPlanFacets.durations": 10,  # the provider's, all of them
    "DataPlanFacets.bundleGroups": 5,  # likewise
    "DataPlan.countries": 3,  # 2.5 on average over the provider's catalogue
    "DataPlan.allowances": 1,  # one each there
    "Order.esims": 2,  # at most 10, but nearly always one
    "Order.timeline": 10,  # the longest way has that many steps
    "ESIM.bundles": 5,  # the first, and what was added since; old ones are dropped from the answers
    "SetFeaturedPlansResult.plans": 50,  # the most that may be chosen
    "OrderCancellation.bundles": 10,  # one for each eSIM of an order
    "CancelOrderResult.revoked": 10,  # one for each eSIM of an order
    "Subscription.myESIMsUpdated": 500,  # the most that an event holds
}
# Any other list; a test holds every list of the schema to be named above or to have a size.
ELSEWHERE = 100
# What no list is longer than, whatever an argument says: too large a page is refused by name later.
LONGEST = 10_000
# Arguments that say how long a list is.
SIZES = ("first", "representations")


@dataclass(frozen=True, slots=True)
class Measured:
    """A cost, and whether the operation reads the schema's description of itself."""

    cost: int
    introspects: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Of a selection: what comes once, and what comes again for every row that it is selected on."""

    once: int = 0
    each: int = 0

    def __add__(self, other: "_Part") -> "_Part":
        return _Part(self.once + other.once, self.each + other.each)


def measure(
    schema: GraphQLSchema, document: DocumentNode, name: str | None, variables: Mapping[str, Any]
) -> tuple[Measured, frozenset[str]]:
    """The cost of an operation of a valid document, and the variables that are sizes in it."""
    sum_ = _Sum(schema, document, variables)
    return sum_.operation(_operation(document, name)), frozenset(sum_.sizing)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    return next(
        node
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
        and (name is None or (node.name is not None and node.name.value == name))
    )


def size(value: object) -> int | None:
    """What a variable says as a size; None where it says nothing, or what execution refuses."""
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _Sum:
    """Adds up one operation; `sizing` are the variables that it met as sizes."""

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
        self.sizing: set[str] = set()

    def operation(self, operation: OperationDefinitionNode) -> Measured:
        for definition in operation.variable_definitions or ():
            if definition.default_value is not None:
                self._defaults[definition.variable.name.value] = definition.default_value
        root = self._schema.get_root_type(operation.operation)
        assert root is not None  # validation refuses what the schema doesn't have
        whole = self._selection(root, [operation.selection_set], None)
        return Measured(whole.once + whole.each, self._introspects)

    def _selection(
        self, kind: GraphQLNamedType, selections: list[SelectionSetNode], page: int | None
    ) -> _Part:
        if is_abstract_type(kind):
            possible = [
                self._selection(one, selections, page)
                for one in self._schema.get_possible_types(kind)
            ]
            return _Part(max(p.once for p in possible), max(p.each for p in possible))
        assert is_object_type(kind)
        fields: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(kind, selection, fields)
        return sum((self._field(kind, nodes, page) for nodes in fields.values()), _Part())

    def _collect(
        self,
        kind: GraphQLObjectType,
        selection: SelectionSetNode,
        fields: dict[str, list[FieldNode]],
    ) -> None:
        """Fields by the name that they have in the answer, as execution puts them together.

        What @skip or @include may leave out counts: an operation costs the same whoever asks.
        """
        for node in selection.selections:
            match node:
                case FieldNode():
                    shown = node.alias.value if node.alias else node.name.value
                    fields.setdefault(shown, []).append(node)
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
        call, work = _own(self._schema, parent, place)
        kind = get_named_type(field.type)
        if is_leaf_type(kind):
            return _Part(call, work)
        asked = self._asked(field, nodes[0])
        rows, below = 1, asked
        if is_list_type(get_nullable_type(field.type)):
            rows, below = self._rows(place, asked if asked is not None else page), None
        inner = self._selection(kind, [n.selection_set for n in nodes if n.selection_set], below)
        return _Part(call + inner.once, work + rows * (1 + inner.each))

    def _rows(self, place: str, asked: int | None) -> int:
        if asked is None:
            return ASSUMED.get(place, ELSEWHERE)
        return max(0, min(asked, LONGEST))

    def _asked(self, field: GraphQLField, node: FieldNode) -> int | None:
        """The size that an argument says; that of a connection is its list's, one level below."""
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
                self.sizing.add(name)
                if self._variables.get(name) is not None:
                    return size(self._variables[name])
                if name in self._variables:  # null, which is read as the default
                    return size(default)
                if name in self._defaults:
                    return self._value(self._defaults[name], default)
                return size(default)
        return None


def _own(schema: GraphQLSchema, parent: GraphQLObjectType, place: str) -> tuple[int, int]:
    """What a field costs beside its objects: once, and for each row."""
    if parent is schema.mutation_type:
        return CALL + CHANGE, 0
    if parent in (schema.query_type, schema.subscription_type) or place in CALLS:
        return CALL, WORK.get(place, 0)
    return 0, WORK.get(place, 0)

"""Variables of operations: which a part of a document names, and their values for a request."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    Node,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values

from gateway.completion.leaves import MAX_INT, MIN_INT

# Which values of a type are coerced to themselves.
SAME: dict[Any, Callable[[Any], bool]] = {
    GraphQLString: lambda value: type(value) is str,
    GraphQLID: lambda value: type(value) is str,
    GraphQLBoolean: lambda value: type(value) is bool,
    GraphQLInt: lambda value: type(value) is int and MIN_INT <= value <= MAX_INT,
}


class Variables:
    """Those of one operation.

    graphql-core looks each one's type up and walks through its value again for every request. Here that
    is done once, and left to it again for values that aren't texts, whole numbers or Booleans.
    """

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        """`operation` is of a document that was read; it need not be valid."""
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        found = [get_variable_signature(schema, one) for one in self._definitions]
        plain = [_plain(one) for one in found if not isinstance(one, GraphQLError)]
        fit = [one for one in plain if one is not None]
        self._plain = fit if len(fit) == len(found) else None

    def coerced(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Their values for a request; None for values that graphql-core refuses."""
        quickly = None if self._plain is None else _quickly(self._plain, given)
        if quickly is not None:
            return quickly
        values = get_variable_values(
            self._schema, self._definitions, dict(given), max_errors=1, hide_suggestions=True
        )
        return values if isinstance(values, VariableValues) else None

    def errors(
        self, given: Mapping[str, Any], most: int, *, suggestions: bool
    ) -> list[GraphQLError]:
        """Why `coerced` gives None for these values, in so many errors at most."""
        values = get_variable_values(
            self._schema,
            self._definitions,
            dict(given),
            max_errors=most,
            hide_suggestions=not suggestions,
        )
        return [] if isinstance(values, VariableValues) else list(values)


_Plain = tuple[GraphQLVariableSignature, Callable[[Any], bool]]


def _plain(signature: GraphQLVariableSignature) -> _Plain | None:
    type_ = signature.type
    same = SAME.get(type_.of_type if isinstance(type_, GraphQLNonNull) else type_)
    return None if same is None else (signature, same)


def _quickly(plain: list[_Plain], given: Mapping[str, Any]) -> VariableValues | None:
    values = VariableValues({}, {})
    for signature, same in plain:
        value = given.get(signature.name)
        if not same(value):
            return None
        values.sources[signature.name] = VariableValueSource(signature, value)
        values.coerced[signature.name] = value
    return values


def variables_of(nodes: Iterable[Node]) -> list[str]:
    """Those named anywhere below, sorted."""
    names: set[str] = set()

    class Variables(Visitor):
        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            names.add(node.name.value)

    for node in nodes:
        visit(node, Variables())
    return sorted(names)


def deciding(nodes: Iterable[Node]) -> list[str]:
    """Those that any directive names, sorted."""
    directives: list[Node] = []

    class Directives(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
            directives.append(node)

    for node in nodes:
        visit(node, Directives())
    return variables_of(directives)

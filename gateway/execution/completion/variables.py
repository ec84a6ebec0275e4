"""Variables of operations: their coercion, and the names that a part of a document uses."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import DirectiveNode, GraphQLError, Node, VariableNode, Visitor, visit
from graphql.execution.values import VariableValues, get_variable_values

from gateway.documents.prepared import Prepared


class Coercion:
    """Coerces the variables of one operation."""

    def __init__(self, prepared: Prepared) -> None:
        self._schema = prepared.schema
        self._bounds = prepared.validate
        self._definitions = prepared.operation.variable_definitions or ()

    def coerced(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Return the coerced variables; None if graphql-core rejects them."""
        values = get_variable_values(
            self._schema, self._definitions, dict(given), max_errors=1, hide_suggestions=True
        )
        return values if isinstance(values, VariableValues) else None

    def errors(self, given: Mapping[str, Any]) -> list[GraphQLError]:
        """Return why graphql-core rejects the variables."""
        values = get_variable_values(
            self._schema,
            self._definitions,
            dict(given),
            max_errors=self._bounds.errors,
            hide_suggestions=not self._bounds.suggestions,
        )
        return [] if isinstance(values, VariableValues) else list(values)


def variables_of(nodes: Iterable[Node]) -> list[str]:
    """Return the names of all variables in the nodes, sorted."""
    names: set[str] = set()

    class Variables(Visitor):
        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            names.add(node.name.value)

    for node in nodes:
        visit(node, Variables())
    return sorted(names)


def directive_variables(nodes: Iterable[Node]) -> list[str]:
    """Return the names of all variables in directives of the nodes, sorted."""
    directives: list[Node] = []

    class Directives(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
            directives.append(node)

    for node in nodes:
        visit(node, Directives())
    return variables_of(directives)

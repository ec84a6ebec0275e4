"""Variables of operations: which a part of a document names, and their values for a request."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    GraphQLError,
    Node,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.values import VariableValues, get_variable_values

from gateway.documents.prepared import Prepared


class Coercion:
    """Coerces the variables of one operation, which need not be valid."""

    def __init__(self, prepared: Prepared) -> None:
        self._schema = prepared.schema
        self._bounds = prepared.validate
        self._definitions = prepared.operation.variable_definitions or ()

    def coerced(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Return their values for a request; None for values that graphql-core refuses."""
        values = get_variable_values(
            self._schema, self._definitions, dict(given), max_errors=1, hide_suggestions=True
        )
        return values if isinstance(values, VariableValues) else None

    def errors(self, given: Mapping[str, Any]) -> list[GraphQLError]:
        """Return why `coerced` gives None for these values."""
        values = get_variable_values(
            self._schema,
            self._definitions,
            dict(given),
            max_errors=self._bounds.errors,
            hide_suggestions=not self._bounds.suggestions,
        )
        return [] if isinstance(values, VariableValues) else list(values)


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

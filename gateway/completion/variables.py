"""Which variables a part of a document names."""

from collections.abc import Iterable
from typing import Any

from graphql import DirectiveNode, Node, VariableNode, Visitor, visit


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

"""The names of the fields that an operation selects from a resolver's result."""

from collections.abc import Iterable, Mapping

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode

from gateway.upstream.context import Info


def selected(info: Info, *path: str) -> set[str]:
    """Return the fields selected below a path, including fragments and regardless of @skip and @include."""
    raw = info._raw_info
    nodes = list(raw.field_nodes)
    for name in path:
        nodes = [node for node in _below(nodes, raw.fragments) if node.name.value == name]
    return {node.name.value for node in _below(nodes, raw.fragments)}


def _below(
    nodes: Iterable[FieldNode | FragmentDefinitionNode | InlineFragmentNode],
    fragments: Mapping[str, FragmentDefinitionNode],
) -> list[FieldNode]:
    found: list[FieldNode] = []
    for node in nodes:
        for below in node.selection_set.selections if node.selection_set else ():
            if isinstance(below, FieldNode):
                found.append(below)
            elif isinstance(below, FragmentSpreadNode):
                found += _below([fragments[below.name.value]], fragments)
            elif isinstance(below, InlineFragmentNode):
                found += _below([below], fragments)
    return found

"""The names of the fields that an operation selects of what a resolver gives."""

from collections.abc import Iterable, Mapping

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode

from gateway.context import Info


def selected(info: Info) -> set[str]:
    """Those directly below, also of fragments, and whatever a @skip or an @include may decide."""
    raw = info._raw_info
    found: set[str] = set()
    _collect(raw.field_nodes, raw.fragments, found)
    return found


def _collect(
    nodes: Iterable[FieldNode | FragmentDefinitionNode | InlineFragmentNode],
    fragments: Mapping[str, FragmentDefinitionNode],
    found: set[str],
) -> None:
    for node in nodes:
        for below in node.selection_set.selections if node.selection_set else ():
            if isinstance(below, FieldNode):
                found.add(below.name.value)
            elif isinstance(below, FragmentSpreadNode):
                _collect([fragments[below.name.value]], fragments, found)
            elif isinstance(below, InlineFragmentNode):
                _collect([below], fragments, found)

"""Which documents ask for nothing but what everybody may see: the shop's window."""

from hashlib import blake2b

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    print_ast,
)

from gateway.documents.prepared import Prepared
from gateway.execution.auth import guarded

# The objects that hold nobody's own. A field that leads to any other is not public, whatever it is
# marked with, so that a new type has to be put here before an answer with it is ever kept.
PUBLIC_TYPES = frozenset(
    {
        "Allowance",
        "BundleGroupFacet",
        "Country",
        "CountryFacet",
        "CountrySummary",
        "DataPlan",
        "DataPlanConnection",
        "DataPlanEdge",
        "DataPlanFacets",
        "DurationFacet",
        "FairUse",
        "PageInfo",
        "PriceRange",
        "RegionFacet",
        "RegionSummary",
    }
)
TYPENAME = "__typename"


def normal(prepared: Prepared) -> bytes | None:
    """Return a digest of the document, valid or not; None when it asks for anything that isn't public.

    Documents that differ in white space and comments only have the same digest.
    """
    fragments = {
        node.name.value: node
        for node in prepared.document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    try:
        if not _public(prepared, fragments):
            return None
        return blake2b(print_ast(prepared.document).encode(errors="surrogatepass")).digest()
    except RecursionError:  # fragments that form a cycle, which validation reports
        return None


def _public(prepared: Prepared, fragments: dict[str, FragmentDefinitionNode]) -> bool:
    query = prepared.schema.query_type
    operations = (
        node for node in prepared.document.definitions if isinstance(node, OperationDefinitionNode)
    )
    return query is not None and all(
        operation.operation is OperationType.QUERY
        and not operation.directives
        and _all_public(operation.selection_set, query, fragments)
        for operation in operations
    )


def _all_public(
    selected: SelectionSetNode,
    parent: GraphQLObjectType,
    fragments: dict[str, FragmentDefinitionNode],
) -> bool:
    return all(_one_public(selection, parent, fragments) for selection in selected.selections)


def _one_public(
    selection: object,
    parent: GraphQLObjectType,
    fragments: dict[str, FragmentDefinitionNode],
) -> bool:
    if isinstance(selection, FragmentSpreadNode):
        fragment = fragments.get(selection.name.value)
        return fragment is not None and _all_public(fragment.selection_set, parent, fragments)
    if isinstance(selection, InlineFragmentNode):
        return _all_public(selection.selection_set, parent, fragments)
    if not isinstance(selection, FieldNode):
        return False
    if selection.name.value == TYPENAME:
        return True
    field = parent.fields.get(selection.name.value)
    # "_entities" and "_service" are for routers; "__schema" and "__type" are no fields of a type.
    if field is None or selection.name.value.startswith("_") or guarded(field):
        return False
    named: GraphQLNamedType = get_named_type(field.type)
    if is_leaf_type(named):
        return True
    return (
        isinstance(named, GraphQLObjectType)
        and named.name in PUBLIC_TYPES
        and selection.selection_set is not None
        and _all_public(selection.selection_set, named, fragments)
    )

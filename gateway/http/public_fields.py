"""Decides which documents select public data only, so that their responses may be shared."""

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

# Types without customer data. A field of any other type is private, even without @auth: a new type must be
# added here before a response that contains it is cached.
PUBLIC_TYPES = frozenset(
    {
        "Allowance",
        "BundleGroupFacet",
        "Country",
        "CountryFacet",
        "CountryNetworks",
        "CountrySummary",
        "DataPlan",
        "DataPlanConnection",
        "DataPlanEdge",
        "DataPlanFacets",
        "DurationFacet",
        "FairUse",
        "Network",
        "PageInfo",
        "PriceRange",
        "RegionFacet",
        "RegionSummary",
    }
)
TYPENAME = "__typename"


def public_digest(prepared: Prepared) -> bytes | None:
    """Return a digest of the document, valid or not; None if it selects anything that isn't public.

    Documents that differ only in white space and comments have the same digest.
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
    selection: object, parent: GraphQLObjectType, fragments: dict[str, FragmentDefinitionNode]
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
    # "_entities" and "_service" are for routers; "__schema" and "__type" are not in `parent.fields`.
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

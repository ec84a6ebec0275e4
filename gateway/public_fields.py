"""Which documents ask for nothing but what everybody may see: the shop's window."""

from hashlib import blake2b

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    print_ast,
)

from gateway import documents
from gateway.auth import guarded
from gateway.remembered import remembered

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


class PublicFields:
    """Looks at documents, valid ones or not; one object a process."""

    def __init__(self, schema: GraphQLSchema, max_depth: int) -> None:
        self._schema = schema
        self._max_depth = max_depth
        self.normal = remembered(documents.CACHED)(self._normal)

    def _normal(self, query: str) -> bytes | None:
        """Return a digest of the document, or None when it asks for anything that isn't public.

        Documents that differ in white space and comments only are one.
        """
        try:
            document = documents.read(query, self._max_depth)
        except GraphQLError:
            return None
        try:
            shown = self._shown(document)
        except RecursionError:  # fragments that turn in circles, which validation will say
            return None
        return None if shown is None else blake2b(shown.encode(errors="surrogatepass")).digest()

    def _shown(self, document: DocumentNode) -> str | None:
        fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        return print_ast(document) if self._public(document, fragments) else None

    def _public(self, document: DocumentNode, fragments: dict[str, FragmentDefinitionNode]) -> bool:
        query = self._schema.query_type
        operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        return query is not None and all(
            operation.operation is OperationType.QUERY
            and not operation.directives
            and self._all_public(operation.selection_set, query, fragments)
            for operation in operations
        )

    def _all_public(
        self,
        selected: SelectionSetNode,
        parent: GraphQLObjectType,
        fragments: dict[str, FragmentDefinitionNode],
    ) -> bool:
        return all(
            self._one_public(selection, parent, fragments) for selection in selected.selections
        )

    def _one_public(
        self,
        selection: object,
        parent: GraphQLObjectType,
        fragments: dict[str, FragmentDefinitionNode],
    ) -> bool:
        if isinstance(selection, FragmentSpreadNode):
            fragment = fragments.get(selection.name.value)
            return fragment is not None and self._all_public(
                fragment.selection_set, parent, fragments
            )
        if isinstance(selection, InlineFragmentNode):
            return self._all_public(selection.selection_set, parent, fragments)
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
            and self._all_public(selection.selection_set, named, fragments)
        )

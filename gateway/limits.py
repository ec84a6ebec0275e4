"""How much a document may ask: measured before validation, which itself can be made to work hard."""

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

# Lexical tokens. The query that GraphQL tools send to learn the schema has about 250.
MAX_TOKENS = 2_000
# Fields with every fragment written out where it is used. The query of the tools has about 250.
MAX_FIELDS = 500
# Fields of an operation's top level, each of which is at least one call to a service.
MAX_ROOT_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Size:
    """Of a selection with every fragment written out."""

    fields: int = 0
    depth: int = 0

    def beside(self, other: "Size") -> "Size":
        """Both in one selection."""
        return Size(self.fields + other.fields, max(self.depth, other.depth))


def check(document: DocumentNode, max_depth: int) -> None:
    """Raises GraphQLError for the first operation that is too deep or has too many fields."""
    measure = _Measure(document)
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        size = measure.selection(operation.selection_set)
        if size.depth > max_depth:
            raise _too_complex(f"is {size.depth} fields deep; {max_depth} are allowed", operation)
        if size.fields > MAX_FIELDS:
            raise _too_complex(f"selects more than {MAX_FIELDS} fields", operation)
        if measure.top_fields(operation.selection_set) > MAX_ROOT_FIELDS:
            raise _too_complex(
                f"has more than {MAX_ROOT_FIELDS} fields at its top level", operation
            )


def _too_complex(what: str, operation: OperationDefinitionNode) -> GraphQLError:
    return GraphQLError(
        f"The operation {what}; ask for less, or in several requests",
        operation,
        extensions={"code": "TOO_COMPLEX"},
    )


class _Measure:
    """Measures each fragment once, so that fragments of fragments cost no more than their text."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._sizes: dict[str, Size] = {}
        self._tops: dict[str, int] = {}

    def selection(self, selections: SelectionSetNode | None) -> Size:
        total = Size()
        for node in selections.selections if selections else ():
            match node:
                case FieldNode():
                    inner = self.selection(node.selection_set)
                    # The schema's description of itself is deep by nature; a validation rule of
                    # graphql-core keeps it from being made deeper.
                    deep = 0 if node.name.value.startswith("__") else inner.depth
                    total = total.beside(Size(inner.fields + 1, deep + 1))
                case InlineFragmentNode():
                    total = total.beside(self.selection(node.selection_set))
                case FragmentSpreadNode():
                    total = total.beside(self._fragment(node.name.value))
        return total

    def _fragment(self, name: str) -> Size:
        if name not in self._sizes:
            self._sizes[name] = Size()  # what a cycle finds; validation names the cycle
            if name in self._fragments:
                self._sizes[name] = self.selection(self._fragments[name].selection_set)
        return self._sizes[name]

    def top_fields(self, selections: SelectionSetNode) -> int:
        count = 0
        for node in selections.selections:
            match node:
                case FieldNode():
                    count += 1
                case InlineFragmentNode():
                    count += self.top_fields(node.selection_set)
                case FragmentSpreadNode():
                    count += self._top_fields_of(node.name.value)
        return count

    def _top_fields_of(self, name: str) -> int:
        if name not in self._tops:
            self._tops[name] = 0
            if name in self._fragments:
                self._tops[name] = self.top_fields(self._fragments[name].selection_set)
        return self._tops[name]

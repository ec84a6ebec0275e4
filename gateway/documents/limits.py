"""Size limits of documents, checked before validation, which large documents could make expensive."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graphql import (
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)

# Lexical tokens. The introspection query of GraphQL tools has about 250.
MAX_TOKENS = 2_000
# Fields, with fragments expanded. The introspection query has about 250.
MAX_FIELDS = 500
# Top-level fields of an operation, each of which is at least one call to a service.
MAX_ROOT_FIELDS = 20
# Aliases, with fragments expanded.
MAX_ALIASES = 50
# Directives of a document. Clients use @include and @skip for optional parts of a page.
MAX_DIRECTIVES = 50
# Directives at one location: only @skip and @include exist, and validation reports each wrong one.
MAX_DIRECTIVES_AT_ONE_LOCATION = 5
# Fields, spreads and inline fragments, with fragments expanded. Fragments that contain only other fragments
# have no fields, but double with each level.
MAX_SELECTIONS = 1_000
# Variables of all operations of a document.
MAX_VARIABLES = 100
# Operations and fragments of a document.
MAX_DEFINITIONS = 100


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a selection with fragments expanded."""

    fields: int = 0
    depth: int = 0
    aliases: int = 0
    selections: int = 0

    def plus(self, other: "Size") -> "Size":
        return Size(
            self.fields + other.fields,
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.selections + other.selections,
        )


def check(document: DocumentNode, max_depth: int) -> None:
    """Raise GraphQLError for the first limit that a document exceeds."""
    _check_definitions(document)
    _check_directives(document)
    measure = _Measure(document)
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        size = measure.selection(operation.selection_set)
        top = measure.top_fields(operation.selection_set)
        counts = (
            ("DEPTH", size.depth, max_depth, "is nested {0} fields deep"),
            ("FIELDS", size.fields, MAX_FIELDS, "selects {0} fields"),
            (
                "SELECTIONS",
                size.selections,
                MAX_SELECTIONS,
                "has {0} selections, including fragments",
            ),
            ("ALIASES", size.aliases, MAX_ALIASES, "has {0} aliases"),
            ("ROOT_FIELDS", top, MAX_ROOT_FIELDS, "has {0} top-level fields"),
        )
        _check_counts("The operation", counts, operation)


def _check_counts(
    subject: str, counts: Iterable[tuple[str, int, int, str]], node: Node | None = None
) -> None:
    for reason, measured, limit, problem in counts:
        if measured > limit:
            message = f"{subject} {problem}, which is above the limit of {{1}}"
            raise too_complex(message, reason, measured, limit, node)


def too_complex(
    message: str, reason: str, measured: int, limit: int, node: Node | None = None
) -> GraphQLError:
    """Return the error for an exceeded limit; in `message`, {0} is the value and {1} the limit."""
    # Nested fragments can make the number astronomically large.
    displayed = str(measured) if measured < 10**9 else "more than one billion"
    return GraphQLError(
        f"{message.format(displayed, limit)}. Request less, or split it into several requests",
        node,
        extensions={
            "code": "TOO_COMPLEX",
            "reason": reason,
            "limit": limit,
            "measured": min(measured, 10**9),
        },
    )


def too_many_tokens() -> GraphQLError:
    """Return the error for a document with so many tokens that the parser stopped."""
    return too_complex(
        "The document has more than {1} tokens", "TOKENS", MAX_TOKENS + 1, MAX_TOKENS
    )


def check_characters(text: str, limit: int) -> None:
    """Raise GraphQLError for a document that is too long to parse."""
    _check_counts("The document", [("CHARACTERS", len(text), limit, "has {0} characters")])


def check_values(variables: object, limit: int) -> int:
    """Count the values in variables at every level; raise GraphQLError for too many."""
    found, waiting = 0, [variables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            found += len(value)
            counts = [("VALUES", found, limit, "contain at least {0} values")]
            _check_counts("The variables", counts)
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return found


def _check_definitions(document: DocumentNode) -> None:
    variables = sum(
        len(node.variable_definitions or ())
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    )
    definitions = len(document.definitions)
    counts = (
        ("DEFINITIONS", definitions, MAX_DEFINITIONS, "contains {0} operations and fragments"),
        ("VARIABLES", variables, MAX_VARIABLES, "declares {0} variables"),
    )
    _check_counts("The document", counts)


def _check_directives(document: DocumentNode) -> None:
    total, limit, problem = 0, MAX_DIRECTIVES_AT_ONE_LOCATION, "has {0} directives at one location"
    for node in _directed(document.definitions):
        count = len(getattr(node, "directives", None) or ())
        _check_counts("The document", [("DIRECTIVES_TOGETHER", count, limit, problem)], node)
        total += count
    counts = [("DIRECTIVES", total, MAX_DIRECTIVES, "has {0} directives")]
    _check_counts("The document", counts)


def _directed(nodes: tuple[DefinitionNode, ...]) -> Iterator[Node]:
    """Yield all nodes of an executable document that can have directives."""
    waiting: list[Node] = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(getattr(node, "variable_definitions", None) or ())
        selections = getattr(node, "selection_set", None)
        if selections is not None:
            waiting.extend(selections.selections)


class _Measure:
    """Measures each fragment once, so that nested fragments don't take exponential time."""

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
                    # Introspection is deeply nested; graphql-core has its own validation rule for it.
                    deep = 0 if node.name.value.startswith("__") else inner.depth
                    aliases = inner.aliases + (node.alias is not None)
                    below = Size(inner.fields + 1, deep + 1, aliases, inner.selections)
                case InlineFragmentNode():
                    below = self.selection(node.selection_set)
                case FragmentSpreadNode():
                    below = self._fragment(node.name.value)
                case _:
                    continue
            total = total.plus(below).plus(Size(selections=1))
        return total

    def _fragment(self, name: str) -> Size:
        if name not in self._sizes:
            self._sizes[name] = Size()  # for cycles, which validation reports
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

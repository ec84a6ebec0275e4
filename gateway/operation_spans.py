"""Spans of GraphQL operations: their kind and root fields, and nothing else that a client wrote."""

from collections.abc import Iterable

from graphql import FieldNode, GraphQLError, OperationDefinitionNode
from opentelemetry.util.types import AttributeValue

from gateway import documents
from gateway.remembered import remembered
from gateway.schema import Schema
from kit import tracing
from kit.errors import Failure
from kit.tracing import FAULTS, UNSEEN, Spanned

# Fields that a span names; more of them are counted.
MOST_FIELDS = 20


class OperationSpans:
    """Names operations by the schema's own names; one object a process."""

    def __init__(self, schema: Schema, max_depth: int) -> None:
        inner = schema._schema
        roots = (inner.query_type, inner.mutation_type, inner.subscription_type)
        known = frozenset(name for root in roots if root is not None for name in root.fields)

        @remembered(documents.CACHED)
        def asked(query: str, name: str | None) -> tuple[str, tuple[str, ...]]:
            return _read(query, name, max_depth, known)

        self._asked = asked

    def around(self, query: str, name: str | None) -> Spanned:
        """Around the execution of one operation, of whose names the first root field is shown."""
        if tracing.unseen():
            return UNSEEN
        kind, fields = self._asked(query, name)
        told: dict[str, AttributeValue] = {
            "graphql.operation.type": kind,
            "esimgo.graphql.fields": fields[:MOST_FIELDS],
            "esimgo.graphql.field_count": len(fields),
        }
        return tracing.onward(f"{kind} {fields[0]}" if fields else kind, told)


def failed(span: Spanned, errors: Iterable[GraphQLError]) -> None:
    """Says why an operation, or a part of it, has no result; what its client may mend is no fault."""
    for error in errors if span.recorded else ():
        cause = error.original_error
        if isinstance(cause, Failure):
            span.set("esimgo.error.reason", cause.reason)
            if cause.kind in FAULTS:
                span.fail(cause)
        elif cause is None or isinstance(cause, GraphQLError):
            span.set("esimgo.error.reason", "BAD_REQUEST")
        else:
            span.fail(cause)


def _read(
    query: str, name: str | None, max_depth: int, known: frozenset[str]
) -> tuple[str, tuple[str, ...]]:
    """The operation's kind, and those of its root fields that the schema has."""
    try:
        document = documents.read(query, max_depth)
    except GraphQLError:
        return "operation", ()
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        if name is None or (node.name is not None and node.name.value == name):
            chosen = node.selection_set.selections
            fields = [field.name.value for field in chosen if isinstance(field, FieldNode)]
            return node.operation.value, tuple(field for field in fields if field in known)
    return "operation", ()

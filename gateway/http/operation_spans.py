"""Trace spans of GraphQL operations. They contain the kind and root fields, and no other client input."""

from collections.abc import Iterable

from graphql import FieldNode, GraphQLError
from opentelemetry.util.types import AttributeValue

from gateway.documents.prepared import Prepared
from kit.errors import Failure
from kit.telemetry import tracing
from kit.telemetry.tracing import FAULTS, NO_SPAN, SpanScope

# Fields that a span names; the rest is only counted.
MAX_FIELDS = 20


def around(prepared: Prepared) -> SpanScope:
    """Return the span around the execution of one operation, named by its first root field."""
    if tracing.untraced():
        return NO_SPAN
    kind, fields = prepared.kind.value, prepared.once(_fields)
    attributes: dict[str, AttributeValue] = {
        "graphql.operation.type": kind,
        "esimgo.graphql.fields": fields[:MAX_FIELDS],
        "esimgo.graphql.field_count": len(fields),
    }
    return tracing.child_or_linked_span(f"{kind} {fields[0]}" if fields else kind, attributes)


def failed(span: SpanScope, errors: Iterable[GraphQLError]) -> None:
    """Record the errors of an operation; errors that the client can fix don't mark the span as failed."""
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


def _fields(prepared: Prepared) -> tuple[str, ...]:
    """Return the operation's root fields that exist in the schema."""
    root = prepared.schema.get_root_type(prepared.operation.operation)
    chosen = prepared.operation.selection_set.selections
    names = [field.name.value for field in chosen if isinstance(field, FieldNode)]
    return tuple(name for name in names if root is not None and name in root.fields)

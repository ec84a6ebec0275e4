"""Prepared operations, parsed once, and their cache."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, cast

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode
from strawberry.types.graphql import OperationType

from gateway.documents import parsing as documents
from gateway.documents.bounded_cache import BoundedCache, bounded_cache
from gateway.documents.validation import Validation

# Cached operations. Clients send few different ones. At 2,000 tokens each, which is the most that a text of
# `bounded_cache.LONGEST` characters has, they take some 100 MB.
CACHED = 100

T = TypeVar("T")


class Prepared:
    """One operation of a document, with everything that is the same for each request."""

    def __init__(
        self,
        text: str,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        schema: GraphQLSchema,
        validate: Validation,
    ) -> None:
        self.text = text
        self.document = document
        self.operation = operation
        self.schema = schema
        self.kind = OperationType(operation.operation.value)
        self.validate = validate
        self.name = operation.name.value if operation.name else None
        self._derived: dict[Any, Any] = {}

    @cached_property
    def errors(self) -> list[GraphQLError]:
        """The validation errors; empty for a valid document."""
        try:
            return self.validate(self.document)
        except Exception as error:  # noqa: BLE001 - a document may break a rule
            return [as_graphql(error)]

    def once(self, compute: Callable[["Prepared"], T]) -> T:
        """Return `compute(self)`, which is called only the first time."""
        if compute not in self._derived:
            self._derived[compute] = compute(self)
        return cast(T, self._derived[compute])


Prepare = BoundedCache[[str, str | None], Prepared]


def preparation(schema: GraphQLSchema, max_depth: int, validate: Validation) -> Prepare:
    """Return the cached function that prepares an operation, from a text and the operation's name.

    It raises GraphQLError for a text that can't be parsed or is too complex, and for an unknown name.
    """

    @bounded_cache(CACHED)
    def prepare(text: str, name: str | None) -> Prepared:
        document = documents.read(text, max_depth)
        operation = documents.check_operation(document, name)
        return Prepared(text, document, operation, schema, validate)

    return prepare


def as_graphql(error: Exception) -> GraphQLError:
    """Wrap an exception in a GraphQLError."""
    if isinstance(error, GraphQLError):
        return error
    return GraphQLError(str(error), original_error=error)

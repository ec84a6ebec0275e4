"""Operations made ready once for each text: read, validated, and known by their kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode
from strawberry.types.graphql import OperationType

from gateway import documents
from gateway.completion.variables import Variables
from gateway.remembered import Remembered, remembered
from gateway.validation import Validation


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is the same for every request with one text; `errors` are those of validation."""

    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Variables
    kind: OperationType
    errors: list[GraphQLError]
    validation: Validation

    def refused(self, given: Mapping[str, Any]) -> list[GraphQLError]:
        """Return why values of the variables can't be coerced."""
        bounds = self.validation
        return self.variables.errors(given, bounds.errors, suggestions=bounds.suggestions)


def preparation(
    schema: GraphQLSchema, max_depth: int, validate: Validation
) -> Remembered[[str, str | None], Prepared]:
    """A function of a text and an operation's name, which remembers the last ones.

    It raises GraphQLError as `documents` does, and whatever a text does to validation.
    """

    @remembered(documents.CACHED)
    def prepare(query: str, name: str | None) -> Prepared:
        document = documents.read(query, max_depth)
        operation = documents.check_operation(document, name)
        kind = OperationType(operation.operation.value)
        errors = validate(document)
        return Prepared(document, operation, Variables(schema, operation), kind, errors, validate)

    return prepare

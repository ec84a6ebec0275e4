"""Operations made ready once for each text: read, validated, and known by their kind."""

from dataclasses import dataclass

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode
from graphql.validation import specified_rules
from strawberry.schema.schema import validate_document
from strawberry.types.graphql import OperationType

from gateway import documents
from gateway.completion.variables import Variables
from gateway.remembered import Remembered, remembered


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is the same for every request with one text; `errors` are those of validation."""

    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Variables
    kind: OperationType
    errors: list[GraphQLError]


def preparation(schema: GraphQLSchema, max_depth: int) -> Remembered[[str, str | None], Prepared]:
    """A function of a text and an operation's name, which remembers the last ones.

    It raises GraphQLError as `documents` does, and whatever a text does to validation.
    """

    @remembered(documents.CACHED)
    def prepare(query: str, name: str | None) -> Prepared:
        document = documents.read(query, max_depth)
        operation = documents.check_operation(document, name)
        kind = OperationType(operation.operation.value)
        errors = validate_document(schema, document, tuple(specified_rules))
        return Prepared(document, operation, Variables(schema, operation), kind, errors)

    return prepare

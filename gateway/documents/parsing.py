"""Parses documents within limits, and selects the operation to execute."""

import re
from typing import Any

from graphql import (
    DocumentNode,
    FloatValueNode,
    GraphQLError,
    GraphQLSyntaxError,
    IntValueNode,
    OperationDefinitionNode,
    Visitor,
    parse,
    visit,
)

from gateway.documents import limits

# Digits of a number. Python converts at most 4,300, and no type here needs more than twenty.
MAX_DIGITS = 1_000
MANY_DIGITS = re.compile(rf"[0-9]{{{MAX_DIGITS}}}")


def read(query: str, max_depth: int) -> DocumentNode:
    """Parse a document; raise GraphQLError for a syntax error or an exceeded limit."""
    try:
        document = parse(query, max_tokens=limits.MAX_TOKENS, no_location=False)
        if MANY_DIGITS.search(query):
            visit(document, _Numbers())
        limits.check(document, max_depth)
    except RecursionError:
        raise GraphQLError(
            "The document is nested too deeply", extensions={"code": "TOO_COMPLEX"}
        ) from None
    except GraphQLSyntaxError as error:
        if "tokens. Parsing aborted" not in error.message:
            raise
        raise limits.too_many_tokens() from None
    return document


class _Numbers(Visitor):
    """Raises GraphQLError for a number with too many digits."""

    def enter_int_value(self, node: IntValueNode, *_: Any) -> None:
        self._check(node)

    def enter_float_value(self, node: FloatValueNode, *_: Any) -> None:
        self._check(node)

    def _check(self, node: IntValueNode | FloatValueNode) -> None:
        if len(node.value) > MAX_DIGITS:
            raise GraphQLError(
                f"A number may have at most {MAX_DIGITS:,} digits, not {len(node.value):,}; send"
                " a smaller number, or a string",
                node,
                extensions={"code": "BAD_REQUEST"},
            )


def check_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation of that name, or the only one; raise GraphQLError if there is none."""
    operations = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    if not operations:
        raise GraphQLError("The document contains no operation; send a query or a mutation")
    if name is None and len(operations) > 1:
        raise GraphQLError(
            "The document contains several operations; select one with `operationName`"
        )
    for operation in operations:
        if name is None or (operation.name is not None and operation.name.value == name):
            return operation
    raise GraphQLError(f"The document contains no operation named {name!r}")

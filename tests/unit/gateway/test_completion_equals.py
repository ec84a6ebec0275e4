"""Compiled completion and graphql-core give the same bytes for any document and any data."""

import asyncio
import inspect
import random
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.graphql import OperationType

from gateway import errors
from gateway.http import answer
from gateway.schema.assembly import Schema
from tests.fixtures.answers.random_services import context
from tests.fixtures.random_documents import Documents
from tests.unit.gateway.own_schema import own_schema

COMPILED = own_schema(max_depth=30)
CORE = COMPILED._schema


def stock() -> Schema:
    """The same schema without our extensions of Strawberry and graphql-core."""
    schema = own_schema(max_depth=30)
    schema.execution_context_class = StrawberryGraphQLCoreExecutionContext
    assert schema._schema.query_type is not None
    for field in schema._schema.query_type.fields.values():
        field.resolve = inspect.unwrap(field.resolve) if field.resolve else None
    return schema


STOCK = stock()
EXECUTE: dict[int, Callable[..., Awaitable[Any]]] = {
    id(COMPILED): COMPILED.execute,
    id(STOCK): partial(strawberry.Schema.execute, STOCK),
}
# Generated for each fault and shown to the client.
FAULT = re.compile(rb"\b[0-9a-f]{12}\b")


async def body(
    schema: Schema, document: str, variables: dict[str, Any], seed: int, invalid: float
) -> bytes:
    """Return the response body with errors sorted by path, as their order is not defined."""
    result = await EXECUTE[id(schema)](
        document,
        variable_values=variables,
        context_value=context(seed, invalid),
        allowed_operation_types={OperationType.QUERY, OperationType.MUTATION},
    )
    found = [errors.describe(error, "r", suggestions=True) for error in result.errors or []]
    found.sort(key=lambda error: str(error.get("path")))
    return FAULT.sub(b"fault", answer.encoded({"errors": found, "data": result.data}))


@pytest.mark.slow
@pytest.mark.timeout(1200)  # seconds; 300 documents, each executed six times
@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32),
    invalid=st.sampled_from([0.0, 0.0, 0.01, 0.1]),
    keyword=st.sampled_from(["query", "query", "query", "mutation"]),
    maybe=st.booleans(),
)
def test_every_document_has_the_same_result_as_with_the_stock_executor(
    seed: int, invalid: float, keyword: str, maybe: bool
) -> None:
    root = CORE.query_type if keyword == "query" else CORE.mutation_type
    assert root is not None
    document = Documents(CORE, random.Random(seed)).write(keyword, root)
    variables = {"maybe": maybe, "id": "6f1cf7f4-3b3c-4d43-9a3c-222222222222", "size": 2}
    expected: dict[bool, bytes] = {}
    # Again: from the compiled plan, and without graphql-core where possible.
    for turn in (maybe, not maybe, maybe, not maybe):
        variables["maybe"] = turn
        if turn not in expected:
            expected[turn] = asyncio.run(body(STOCK, document, variables, seed, invalid))
        assert asyncio.run(body(COMPILED, document, variables, seed, invalid)) == expected[turn], (
            document
        )

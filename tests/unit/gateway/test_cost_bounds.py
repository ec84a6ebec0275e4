"""No response contains more objects than the estimated cost, if its lists are as long as estimated."""

import asyncio
import random
import re
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.types.graphql import OperationType

from gateway.documents.cost import Cost
from gateway.documents.cost_units import ASSUMED_LENGTHS
from gateway.schema.assembly import build
from tests.fixtures.answers.random_services import ROWS, context
from tests.fixtures.random_documents import Documents

SCHEMA = build(max_depth=30)
CORE = SCHEMA._schema
# Stand-in lists that are longer than estimated; a response with fewer rows is valid too.
SHORTER = {
    name.partition(".")[2]: length for name, length in ASSUMED_LENGTHS.items() if length < ROWS
}


def objects(value: Any, name: str = "") -> int:
    """Count the objects in a value of the response."""
    if isinstance(value, list):
        return sum(map(objects, value[: SHORTER.get(name, ROWS)]))
    if not isinstance(value, dict):
        return 0
    # Aliases of the random documents are names with a digit.
    return 1 + sum(objects(inner, key.rstrip("12")) for key, inner in value.items())


async def data(document: str, variables: dict[str, Any], seed: int) -> Any:
    result = await SCHEMA.execute(
        document,
        variable_values=variables,
        context_value=context(seed, 0.0),
        allowed_operation_types={OperationType.QUERY, OperationType.MUTATION},
    )
    return result.data


@pytest.mark.slow
@settings(max_examples=200)
@given(seed=st.integers(0, 2**32), keyword=st.sampled_from(["query", "query", "mutation"]))
def test_a_response_has_no_more_objects_than_its_cost(seed: int, keyword: str) -> None:
    root = CORE.query_type if keyword == "query" else CORE.mutation_type
    assert root is not None
    written = Documents(CORE, random.Random(seed)).write(keyword, root)
    # The stand-ins return that many rows for any request.
    document = re.sub(r"first: \d+", f"first: {ROWS}", written)
    variables = {"maybe": True, "id": "6f1cf7f4-3b3c-4d43-9a3c-222222222222", "size": ROWS}
    try:
        prepared = SCHEMA.prepare(document, None)
    except GraphQLError:
        return  # too complex to be executed
    if prepared.errors:
        return  # the sizes made two fields of one name differ
    cost = Cost(prepared).of(variables).cost
    answer = asyncio.run(data(document, variables, seed))
    if answer is not None:
        assert objects(answer) - 1 <= cost, document


def test_the_object_count_is_correct() -> None:
    document = "{ myESIMs(first: 3) { id order { esims { bundles { id } } } } }"
    counts = [objects(asyncio.run(data(document, {}, seed))) for seed in range(20)]
    assert max(counts) > 10
    assert objects({"allowances": [{}, {}]}) == 1 + SHORTER["allowances"]

"""The most frequent operations run by plans alone: no field below the top is resolved individually."""

from collections import Counter
from typing import Any

import pytest
from strawberry.types.graphql import OperationType

from gateway.execution.completion.executor import Completing
from gateway.schema.assembly import build
from tests.fixtures.answers.random_services import context

RESOLVED: Counter[str] = Counter()


class Counting(Completing):
    def execute_field(self, parent_type: Any, *others: Any) -> Any:
        RESOLVED[parent_type.name] += 1
        return super().execute_field(parent_type, *others)


SCHEMA = build(max_depth=12)
SCHEMA.execution_context_class = Counting


@pytest.mark.parametrize(
    "query",
    [
        "{ dataPlans(first: 3) { id price features countries { iso } allowances { type } updatedAt } }",
        "{ featuredPlans { ...F } } fragment F on DataPlan { name currency }",
        "{ plans { totalCount edges { cursor node { id name } } pageInfo { endCursor } } }",
        "{ myESIMs { iccid status bundles { name state } usage { totalUsed } plan { name } } }",
        "{ myOrders { id totalPrice timeline { at status } dataPlan { name } } }",
        "{ myOrders { createdAt esims { iccid activationCode bundles { startDate } } } }",
    ],
)
async def test_no_field_below_the_top_is_resolved_individually(query: str) -> None:
    RESOLVED.clear()
    result = await SCHEMA.execute(
        query,
        context_value=context(seed=1, invalid=0.0),
        allowed_operation_types={OperationType.QUERY},
    )
    assert result.errors is None
    assert result.data
    assert RESOLVED == {"Query": 1}


async def test_an_object_with_a_custom_resolver_is_left_to_graphql_core() -> None:
    RESOLVED.clear()
    query = "{ myESIMs { qrCode bundles { name } } }"
    result = await SCHEMA.execute(query, context_value=context(seed=1, invalid=0.0))
    assert result.errors is None
    assert RESOLVED["ESIM"] > 0
    assert RESOLVED["ESIMBundle"] == 0

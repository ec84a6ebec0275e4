"""Fuzzing of the whole gateway: valid requests by schemathesis, invalid ones by hypothesis; no 5xx, no cost.

`make fuzz-gateway` runs it with more examples.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests
import schemathesis
from graphql import StringValueNode
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.prices.retail import COSTS, sell_at_retail

# Examples of each operation: enough to reach every kind of argument within a minute.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SETTINGS = settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
# Phrases of our internals: a driver's, a library's, a stack trace's.
INSIDE = ("Traceback", 'File "/', "asyncpg", "grpc", "redis", "psycopg", "strawberry", "0x7f")
# The token of a request: a customer's, none, or an invalid one.
TOKENS = st.sampled_from(["ann", "ann", "ann", "none", "rubbish"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
PIECES = st.sampled_from(
    [*"{}()[]:$@!=|&\"#", "...", '"""', "\\u0000", "query", "mutation", "subscription",
     "fragment F on Query", "...F", "on", "dataPlans", "first:", "filter:", "myESIMs", "id", "$x",
     "Int!", "__schema", "__typename", "_entities", "representations:", "@include(if: $x)",
     "9" * 400, "-0.0e999", "null", "true", "\t", "\ufeff"]
)  # fmt: skip
# With variables of any shape.
DOCUMENTS = st.sampled_from(
    [
        "{ __typename }",
        "query($x: Int) { featuredPlans(first: $x) { id } }",
        "query($x: DataPlanFilter) { dataPlans(filter: $x, first: 1) { id } }",
        "query($x: [_Any!]!) { _entities(representations: $x) { __typename } }",
        "query($x: OrderFilter) { myOrders(filter: $x) { id esims { id qrCode } } }",
        'mutation($x: PurchaseInput) { purchaseESIM(planId: "x", input: $x) { code } }',
        "subscription($x: ID!) { orderUpdated(orderId: $x) { id } }",
    ]
)
BODIES = st.fixed_dictionaries(
    {"query": DOCUMENTS | st.lists(PIECES, max_size=40).map(" ".join) | JSON},
    optional={
        "variables": JSON | st.fixed_dictionaries({"x": JSON}),
        "operationName": JSON,
        "extensions": JSON | st.fixed_dictionaries({"persistedQuery": JSON}),
        "documentId": JSON,
    },
)


class Asked:
    """All requests, by outcome."""

    def __init__(self, platform: Platform, token: str) -> None:
        self.url = f"{platform.client.url}/graphql"
        self.outcomes: Counter[str] = Counter()
        self._tokens = {"ann": f"Bearer {token}", "rubbish": "Bearer rubbish"}

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": self._tokens[who]} if who in self._tokens else {}

    def check(self, status: int, text: str) -> None:
        """Fail unless a client can understand the response."""
        assert status in (200, 400, 401), text
        assert not [word for word in INSIDE if word in text], text
        assert not COSTS.search(text), text
        body = json.loads(text)
        errors = body.get("errors", [])
        assert errors or "data" in body
        self.outcomes.update({error["extensions"]["code"] for error in errors} or {"answered"})
        assert "INTERNAL" not in self.outcomes, text


def string(value: str) -> StringValueNode:
    return StringValueNode(value=value)


async def ids(platform: Platform) -> tuple[str, list[str]]:
    """A customer's token, and ids of the customer's and of another's things."""
    ann, bob = [await platform.customer(f"{name}@example.com") for name in ("ann", "bob")]
    found = []
    for customer in (ann, bob):
        order = await platform.buy(customer)
        found += [order["id"], order["esims"][0]["id"]]
    plans = await ann.ask("{ featuredPlans(first: 3) { id } }")
    found += [plan["id"] for plan in plans.data["featuredPlans"]]
    return str(ann.token), found


@pytest.fixture
async def asked(platform: Platform) -> Asked:
    await sell_at_retail(platform)
    token, known = await ids(platform)
    strange = st.text(max_size=40) | st.sampled_from(
        ["", "%", "\x00", "0" * 500, "1 or 1=1", "null"]
    )
    id_ = st.sampled_from(known) | st.uuids().map(str) | strange
    schemathesis.graphql.scalar("ID", id_.map(string))
    moment = st.datetimes().map(lambda at: at.isoformat()) | st.dates().map(str) | strange
    schemathesis.graphql.scalar("DateTime", moment.map(string))
    return Asked(platform, token)


async def aside(run: Callable[[], None]) -> None:
    """Run in a thread, as hypothesis and schemathesis are synchronous and the gateway runs in this one."""
    await asyncio.to_thread(run)


async def test_every_request_that_the_schema_allows_gets_a_response(asked: Asked) -> None:
    def run() -> None:
        schema = schemathesis.graphql.from_url(asked.url, timeout=PATIENCE)
        found: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]  # an error has no ok() and fails here, as it should
        # Every query and mutation; schemathesis knows no subscriptions.
        assert {operation.label for operation in found} >= {"Query.plans", "Mutation.cancelOrder"}
        for operation in found:
            ask(operation)

    def ask(operation: Any) -> None:
        @seed(SEED)
        @SETTINGS
        @given(case=operation.as_strategy(), who=TOKENS)
        def one(case: Any, who: str) -> None:
            answer = case.call(headers=asked.headers(who), timeout=PATIENCE)
            asked.check(answer.status_code, answer.text)

        one()

    await aside(run)
    sys.stdout.write(f"schemathesis asked: {dict(asked.outcomes)}\n")
    # Some requests must get past the session check.
    assert asked.outcomes["answered"] > EXAMPLES


async def test_every_request_gets_a_response_or_is_refused(asked: Asked) -> None:
    @seed(SEED)
    @settings(SETTINGS, max_examples=EXAMPLES * 20)
    @given(body=BODIES, who=TOKENS)
    def run(body: Any, who: str) -> None:
        text = json.dumps(body)  # lone surrogates as escapes
        headers = {"Content-Type": "application/json", **asked.headers(who)}
        answer = requests.post(asked.url, data=text, headers=headers, timeout=PATIENCE)
        asked.check(answer.status_code, answer.text)

    await aside(run)
    sys.stdout.write(f"hypothesis sent: {dict(asked.outcomes)}\n")
    assert {"BAD_REQUEST", "answered"} <= {*asked.outcomes}

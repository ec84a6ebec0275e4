"""Queries of one field run without graphql-core from the second time on, for every caller."""

import gc
import weakref
from collections import Counter
from typing import Any

import pytest
from strawberry.types.execution import ExecutionResult

from gateway.execution.completion.executor import Completing
from gateway.upstream.caller import Caller
from gateway.upstream.context import Context
from kit.auth.sessions import ANONYMOUS
from kit.errors import Failure
from tests.fixtures.answers.random_services import context
from tests.unit.gateway.own_schema import own_schema

EXECUTED: Counter[str] = Counter()
CALLS: Counter[str] = Counter()


class Counting(Completing):
    """Counts the operations that graphql-core executes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        EXECUTED[self.operation.operation.value] += 1


SCHEMA = own_schema()
SCHEMA.execution_context_class = Counting
ORDER = """query One($id: ID!) {
  orderDetails(id: $id) { id esims { iccid activationCode } dataPlan { name } }
}"""
# With this seed an eSIM has a status that is missing in the schema.
UNKNOWN_STATE = 13
VARIABLES = {"id": "6f1cf7f4-3b3c-4d43-9a3c-222222222222"}


def asking(seed: int, invalid: float = 0.0) -> Context:
    """Return a customer's context with stand-in services; calls of resolvers are counted."""
    asked = context(seed, invalid)
    call = asked.call

    async def counted(method: Any, request: Any, timeout: float = 10.0) -> Any:
        CALLS[type(request).__name__] += 1
        return await call(method, request, timeout)

    asked.call = counted
    return asked


async def ask(
    query: str, asked: Context, variables: dict[str, Any] | None = None
) -> ExecutionResult:
    return await SCHEMA.execute(query, variables, asked)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    EXECUTED.clear()
    CALLS.clear()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ('{ dataPlans(filter: {country: "FR"}, first: 3) { id countries { iso } } }', None),
        ("query Some($n: Int!) { featuredPlans(first: $n) { name } }", {"n": 3}),
        ("{ mine: myESIMs { id bundles { name } usage { totalUsed } plan { name } } }", None),
        ("{ plans { totalCount edges { cursor node { id } } } }", None),
        (ORDER, VARIABLES),
    ],
)
async def test_a_repeated_operation_bypasses_the_executor(query: str, variables: Any) -> None:
    first = await ask(query, asking(seed=1), variables)
    EXECUTED.clear()
    second = await ask(query, asking(seed=1), variables)
    assert EXECUTED == {}
    assert second.errors is None
    assert second.data == first.data


async def test_every_caller_receives_their_own_data() -> None:
    await ask(ORDER, asking(seed=1), VARIABLES)
    EXECUTED.clear()
    asked = {seed: await ask(ORDER, asking(seed), VARIABLES) for seed in range(2, 12)}
    assert EXECUTED == {}
    for seed, answered in asked.items():
        fresh = own_schema()
        alone = await fresh.execute(ORDER, VARIABLES, asking(seed))
        assert answered.data == alone.data


MINE = (
    "query Mine($n: Int!) { myESIMs(first: $n) { id bundles { name } order { id esims { id } } } }"
)


@pytest.mark.parametrize(
    "query",
    [
        MINE,
        "query Several($n: Int!) { myESIMs(first: $n) { qrCode usage { asOf } } regions { name } }",
    ],
)
async def test_no_reference_to_a_request_remains(query: str) -> None:
    for _ in range(2):
        asked = asking(seed=1)
        gone = weakref.ref(asked)
        await ask(query, asked, {"n": 3})
        del asked
        gc.collect()
        assert gone() is None


async def test_a_request_is_freed_without_garbage_collection() -> None:
    await ask(MINE, asking(seed=1), {"n": 3})
    asked = asking(seed=1)
    gone = weakref.ref(asked)
    gc.disable()
    try:
        await ask(MINE, asked, {"n": 3})
        del asked
        assert gone() is None
    finally:
        gc.enable()


async def test_a_caller_without_a_session_is_refused_after_a_signed_in_caller() -> None:
    query = "{ myESIMs { id } }"
    for _ in range(2):
        await ask(query, asking(seed=1))
    refused = await ask(query, Context(Caller(ANONYMOUS), asking(seed=1).peers, 60.0))
    assert refused.errors is not None
    (error,) = refused.errors
    assert isinstance(error.original_error, Failure)
    assert error.original_error.reason == "UNAUTHENTICATED"


async def test_a_failed_call_is_made_once_and_reported_with_its_path() -> None:
    await ask(ORDER, asking(seed=1), VARIABLES)
    CALLS.clear()
    failed = await ask(ORDER, asking(seed=1, invalid=1.0), VARIABLES)
    assert CALLS == {"GetOrderRequest": 1}
    assert failed.data == {"orderDetails": None}
    assert failed.errors is not None
    (error,) = failed.errors
    assert error.path == ["orderDetails"]
    assert isinstance(error.original_error, Failure)


async def test_a_failed_fast_path_does_not_repeat_the_call() -> None:
    query = "{ myESIMs { status } }"
    await ask(query, asking(seed=1))
    EXECUTED.clear()
    CALLS.clear()
    left = await ask(query, asking(seed=UNKNOWN_STATE, invalid=0.5))
    assert EXECUTED == {"query": 1}
    assert CALLS == {"ListESIMsRequest": 1}
    assert left.errors

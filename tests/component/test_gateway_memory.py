"""What requests leave behind in the gateway's memory, in bytes that Python has allocated."""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.two_doors import Doors, post

SEARCH = "query($t: String) { dataPlans(first: 3, filter: {text: $t}) { id name } }"
# Characters of the texts. One that is no Latin makes Python store four bytes for each.
LARGE = 50_000
TIMES = 30
# Bytes. A connection holds its last request and the answer to it; all requests have 1.5 MB and more.
MOST = 1_000_000


def commented(number: int) -> bytes:
    return post(body=json.dumps({"query": f"{SEARCH} # {number} 🎉{'x' * LARGE}"}).encode())


def searched(number: int) -> bytes:
    given = {"query": SEARCH, "variables": {"t": f"{number} 🎉{'x' * LARGE}"}}
    return post(body=json.dumps(given).encode())


def literal(number: int) -> bytes:
    query = SEARCH.replace("$t}", f'"{number} 🎉{"x" * LARGE}"}}').replace("($t: String)", "")
    return post(body=json.dumps({"query": query}).encode())


def invalid(number: int) -> bytes:
    return post(body=json.dumps({"query": f"{{ nothing{number} }} # {'x' * LARGE}"}).encode())


@pytest.fixture
def door_settings() -> dict[str, Any]:
    return {"max_body": 262_144}  # the default


@contextmanager
def growth(most: int) -> Iterator[None]:
    """Expect the block to leave at most so many bytes allocated."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before <= most


@pytest.mark.parametrize("request_", [commented, searched, literal, invalid])
async def test_large_texts_are_not_kept(doors: Doors, request_: Callable[[int], bytes]) -> None:
    doors.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    wire = await doors.wire()
    await wire.ask(request_(0))
    doors.kept.drop()
    with growth(most=MOST):
        for number in range(1, TIMES + 1):
            assert b"TOO_LARGE" not in await wire.ask(request_(number))
        doors.kept.drop()  # which has its own bound
    await wire.close()


def padded(number: int) -> dict[str, Any]:
    return {"query": SEARCH, "variables": {"t": "a", f"undeclared{number}": "x" * 3_000}}


def spelled(number: int) -> dict[str, Any]:
    """One operation with the same values in other spellings."""
    query = 'query Q($n: Float, $t: String = "a") { dataPlans(filter: {maxPrice: $n, text: $t}) { id } }'
    given: list[dict[str, Any]] = [{"n": 5}, {"n": 5.0}, {"n": 5, "t": "a"}]
    return {
        "query": query + " " * number,
        "operationName": "Q",
        "variables": given[number % 3] | {"x": number},
    }


@pytest.mark.parametrize("request_", [padded, spelled])
async def test_only_the_values_of_declared_variables_tell_answers_apart(
    doors: Doors, request_: Callable[[int], dict[str, Any]]
) -> None:
    doors.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    wire = await doors.wire(doors.plain)
    await wire.ask(post(body=json.dumps(request_(0)).encode()))
    size = doors.kept.size
    for number in range(1, TIMES):
        answer = await wire.ask(post(body=json.dumps(request_(number)).encode()))
        assert b"Age: " in answer
    assert len(doors.kept) == 1
    assert doors.kept.size == size
    assert doors.catalogue.calls["ListPlans"] == 1
    await wire.close()


async def test_other_values_and_operations_have_answers_of_their_own(doors: Doors) -> None:
    doors.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    two = "query A($n: Float, $t: String) { dataPlans(filter: {maxPrice: $n, text: $t}) { id } }"
    two += two.replace("query A", "query B")
    wire = await doors.wire(doors.plain)
    given: list[dict[str, Any]] = [{"n": 5}, {"n": 6}, {"n": None}, {}, {"t": "5"}, {"t": "6"}]
    for name in ("A", "B"):
        for variables in given:
            asked = {"query": two, "operationName": name, "variables": variables}
            assert b"Age: 0" in await wire.ask(post(body=json.dumps(asked).encode()))
    assert len(doors.kept) == 2 * len(given)
    # What is refused is not kept, however JSON writes it.
    for odd in ("1e400", '"5"', "[5]", "true"):
        body = json.dumps({"query": two, "operationName": "A", "variables": {"n": "odd"}})
        assert b"errors" in await wire.ask(post(body=body.replace('"odd"', odd).encode()))
    assert len(doors.kept) == 2 * len(given)
    await wire.close()

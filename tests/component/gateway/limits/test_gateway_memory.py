"""Memory that requests leave behind in the gateway, in bytes allocated by Python."""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.cached_gateway import CachedGateway

SEARCH = "query($t: String) { dataPlans(first: 3, filter: {text: $t}) { id name } }"
# Characters of the texts. A character outside Latin-1 makes Python store four bytes for each.
LARGE = 50_000
TIMES = 30
# Bytes. A connection retains its last request and response; all requests together have over 1.5 MB.
MOST = 1_000_000


def commented(number: int) -> bytes:
    return json.dumps({"query": f"{SEARCH} # {number} 🎉{'x' * LARGE}"}).encode()


def searched(number: int) -> bytes:
    given = {"query": SEARCH, "variables": {"t": f"{number} 🎉{'x' * LARGE}"}}
    return json.dumps(given).encode()


def literal(number: int) -> bytes:
    query = SEARCH.replace("$t}", f'"{number} 🎉{"x" * LARGE}"}}').replace("($t: String)", "")
    return json.dumps({"query": query}).encode()


def invalid(number: int) -> bytes:
    return json.dumps({"query": f"{{ nothing{number} }} # {'x' * LARGE}"}).encode()


@pytest.fixture
def cached_settings() -> dict[str, Any]:
    return {"max_body": 262_144}  # the default


@contextmanager
def growth(most: int) -> Iterator[None]:
    """Expect the block to leave at most this many bytes allocated."""
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
async def test_large_texts_are_not_cached(
    cached: CachedGateway, request_: Callable[[int], bytes]
) -> None:
    cached.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    await cached.post(request_(0))
    cached.cache.drop()
    with growth(most=MOST):
        for number in range(1, TIMES + 1):
            _, body = await cached.post(request_(number))
            assert b"TOO_LARGE" not in body
        cached.cache.drop()  # the cache has its own bound


def padded(number: int) -> dict[str, Any]:
    return {"query": SEARCH, "variables": {"t": "a", f"undeclared{number}": "x" * 3_000}}


def spelled(number: int) -> dict[str, Any]:
    """One operation with the same values, spelled differently."""
    query = 'query Q($n: Float, $t: String = "a") { dataPlans(filter: {maxPrice: $n, text: $t}) { id } }'
    given: list[dict[str, Any]] = [{"n": 5}, {"n": 5.0}, {"n": 5, "t": "a"}]
    return {
        "query": query + " " * number,
        "operationName": "Q",
        "variables": given[number % 3] | {"x": number},
    }


@pytest.mark.parametrize("request_", [padded, spelled])
async def test_the_cache_key_contains_only_the_values_of_declared_variables(
    cached: CachedGateway, request_: Callable[[int], dict[str, Any]]
) -> None:
    cached.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    await cached.post(json.dumps(request_(0)).encode())
    size = cached.cache.size
    for number in range(1, TIMES):
        response, _ = await cached.post(json.dumps(request_(number)).encode())
        assert "Age" in response.headers
    assert len(cached.cache) == 1
    assert cached.cache.size == size
    assert cached.catalogue.calls["ListPlans"] == 1


async def test_different_values_and_operations_are_cached_separately(cached: CachedGateway) -> None:
    cached.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    two = "query A($n: Float, $t: String) { dataPlans(filter: {maxPrice: $n, text: $t}) { id } }"
    two += two.replace("query A", "query B")
    given: list[dict[str, Any]] = [{"n": 5}, {"n": 6}, {"n": None}, {}, {"t": "5"}, {"t": "6"}]
    for name in ("A", "B"):
        for variables in given:
            payload = {"query": two, "operationName": name, "variables": variables}
            response, _ = await cached.post(json.dumps(payload).encode())
            assert response.headers["Age"] == "0"
    assert len(cached.cache) == 2 * len(given)
    # Refused variables are not cached, however JSON spells them.
    for odd in ("1e400", '"5"', "[5]", "true"):
        body = json.dumps({"query": two, "operationName": "A", "variables": {"n": "odd"}})
        _, answer = await cached.post(body.replace('"odd"', odd).encode())
        assert b"errors" in answer
    assert len(cached.cache) == 2 * len(given)

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

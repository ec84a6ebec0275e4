"""Reads that are requested one by one are made in one call."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.upstream.batches import MAX_BATCH, Loader, Progress


class Source:
    """Answers with each key's length, and records the requested keys."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None

    async def read(self, keys: list[str]) -> Sequence[int]:
        self.asked.append(list(keys))
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return [len(key) for key in keys]


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def loader(source: Source) -> Loader[str, int]:
    return Loader(source.read, Progress())


async def test_concurrent_loads_are_one_call(source: Source, loader: Loader[str, int]) -> None:
    one, two, three = await asyncio.gather(
        loader.load("a"), loader.many(["bb", "a"]), loader.load("ccc")
    )
    assert (one, two, three) == (1, [2, 1], 3)
    assert source.asked == [["a", "bb", "ccc"]]


async def test_a_key_is_loaded_once(source: Source, loader: Loader[str, int]) -> None:
    assert await loader.many(["a", "bb"]) == [1, 2]
    assert await loader.many(["bb", "ccc"]) == [2, 3]
    assert source.asked == [["a", "bb"], ["ccc"]]


async def test_a_known_value_is_not_loaded(source: Source, loader: Loader[str, int]) -> None:
    loader.add({"a": 7})
    assert await loader.many(["a", "a"]) == [7, 7]
    assert source.asked == []


async def test_loads_during_a_call_form_the_next_call(
    source: Source, loader: Loader[str, int]
) -> None:
    first = asyncio.ensure_future(loader.load("a"))
    while not source.asked:
        await asyncio.sleep(0)
    assert await loader.many(["a", "bb"]) == [1, 2]
    assert await first == 1
    assert source.asked == [["a"], ["bb"]]


async def test_a_failure_reaches_every_caller_and_is_remembered(
    source: Source, loader: Loader[str, int]
) -> None:
    source.failure = RuntimeError("away")
    asked = [loader.load("a"), loader.load("bb")]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found == [source.failure, source.failure]
    with pytest.raises(RuntimeError, match="away"):
        await loader.load("a")
    assert source.asked == [["a", "bb"]]


async def test_keys_beyond_the_maximum_of_a_call_are_split(
    source: Source, loader: Loader[str, int]
) -> None:
    keys = [str(n) for n in range(MAX_BATCH + 1)]
    assert await loader.many(keys) == [len(key) for key in keys]
    assert sorted(map(len, source.asked)) == [1, MAX_BATCH]


async def test_a_cancelled_caller_does_not_affect_the_others(
    source: Source, loader: Loader[str, int]
) -> None:
    leaving, staying = (asyncio.ensure_future(loader.load("a")) for _ in range(2))
    while not source.asked:
        await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 1
    assert leaving.cancelled()

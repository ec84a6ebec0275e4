"""Reads that are asked for one by one and made together: one call for all that a level asks for."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# What the services take in one call.
MAX_BATCH = 1_000


class Batch(Generic[Key, Value]):
    """Keys of one call, which begins when all that run now had their turn to add theirs."""

    def __init__(self, read: Callable[[list[Key]], Awaitable[Sequence[Value]]]) -> None:
        self.keys: list[Key] = []
        self.open = True
        self.found = asyncio.ensure_future(self._read(read))
        self.found.add_done_callback(_heard)

    async def _read(
        self, read: Callable[[list[Key]], Awaitable[Sequence[Value]]]
    ) -> Mapping[Key, Value]:
        await asyncio.sleep(0)  # resolvers that were started together ask in their own first steps
        self.open = False
        return dict(zip(self.keys, await read(self.keys), strict=True))


class Loader(Generic[Key, Value]):
    """Reads each key once, and remembers what came of it, a failure too; for one request."""

    def __init__(self, read: Callable[[list[Key]], Awaitable[Sequence[Value]]]) -> None:
        """`read` gives a value for each key, in the order of the keys."""
        self._read = read
        self._known: dict[Key, Value] = {}
        self._batches: dict[Key, Batch[Key, Value]] = {}
        self._last: Batch[Key, Value] | None = None

    def know(self, values: Mapping[Key, Value]) -> None:
        """These were read otherwise, and need no call."""
        self._known.update(values)

    def ask(self, keys: Sequence[Key]) -> None:
        """Has these read with the next call, so that `many` needn't wait long."""
        for key in keys:
            if key in self._known or key in self._batches:
                continue
            batch = self._last
            if batch is None or not batch.open or len(batch.keys) >= MAX_BATCH:
                batch = self._last = Batch(self._read)
            batch.keys.append(key)
            self._batches[key] = batch

    async def many(self, keys: Sequence[Key]) -> list[Value]:
        """What is there for each key, in their order; raises what its call raised."""
        try:
            return [self._known[key] for key in keys]
        except KeyError:
            self.ask(keys)
        for batch in {self._batches[key] for key in keys if key not in self._known}:
            # Whoever goes away leaves the others their answer.
            self._known.update(await asyncio.shield(batch.found))
        return [self._known[key] for key in keys]

    async def load(self, key: Key) -> Value:
        """What is there for one key; raises what its call raised."""
        return (await self.many((key,)))[0]


def _heard(ended: "asyncio.Future[Any]") -> None:
    if not ended.cancelled():
        ended.exception()  # also when everybody has gone away

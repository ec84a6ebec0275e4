"""Data loaders: reads requested one by one are combined into one call per level of a query."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# The maximum number of keys that the services accept in one call.
MAX_BATCH = 1_000


class Batch(Generic[Key, Value]):
    """The keys of one call, which begins after all running resolvers could add theirs."""

    def __init__(self, read: Callable[[list[Key]], Awaitable[Sequence[Value]]]) -> None:
        self.keys: list[Key] = []
        self.open = True
        self.found = asyncio.ensure_future(self._read(read))
        self.found.add_done_callback(_retrieve_exception)

    async def _read(
        self, read: Callable[[list[Key]], Awaitable[Sequence[Value]]]
    ) -> Mapping[Key, Value]:
        await asyncio.sleep(0)  # resolvers that start together request keys in their first step
        self.open = False
        return dict(zip(self.keys, await read(self.keys), strict=True))


class Progress(Generic[Key, Value]):
    """What a loader has read, and is reading."""

    def __init__(self) -> None:
        self.known: dict[Key, Value] = {}
        self.batches: dict[Key, Batch[Key, Value]] = {}
        self.last: Batch[Key, Value] | None = None


class Loader(Generic[Key, Value]):
    """Reads each key once for one request, and caches the value or the failure."""

    def __init__(
        self,
        read: Callable[[list[Key]], Awaitable[Sequence[Value]]],
        progress: Progress[Key, Value],
        kept: Callable[[Key], Value | None] | None = None,
    ) -> None:
        """`read` returns one value for each key, in the order of the keys.

        `kept` returns a value that need not be read, None for any other key.
        """
        self._read = read
        self._progress = progress
        self._kept = kept

    def add(self, values: Mapping[Key, Value]) -> None:
        """Add values that were read by another call."""
        self._progress.known.update(values)

    def prefetch(self, keys: Sequence[Key]) -> None:
        """Add keys to the next call, without waiting for it."""
        progress = self._progress
        for key in keys:
            if key in progress.known or key in progress.batches:
                continue
            if self._kept is not None and (value := self._kept(key)) is not None:
                progress.known[key] = value
                continue
            batch = progress.last
            if batch is None or not batch.open or len(batch.keys) >= MAX_BATCH:
                batch = progress.last = Batch(self._read)
            batch.keys.append(key)
            progress.batches[key] = batch

    async def many(self, keys: Sequence[Key]) -> list[Value]:
        """Return the value of each key, in order; raise the failure of a call."""
        known, batches = self._progress.known, self._progress.batches
        try:
            return [known[key] for key in keys]
        except KeyError:
            self.prefetch(keys)
        for batch in {batches[key] for key in keys if key not in known}:
            # Shielded: a cancelled caller must not cancel the call for the others.
            known.update(await asyncio.shield(batch.found))
        return [known[key] for key in keys]

    async def load(self, key: Key) -> Value:
        """Return the value of one key; raise the failure of its call."""
        return (await self.many((key,)))[0]


def _retrieve_exception(ended: "asyncio.Future[Any]") -> None:
    if not ended.cancelled():
        ended.exception()  # otherwise asyncio logs it if all callers were cancelled

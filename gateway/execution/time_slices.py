"""Completes long lists in time slices, so that one large response doesn't block other requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar, cast

from gateway.execution.views import View

Kind = TypeVar("Kind", bound=View)

# Seconds of work after which other tasks run. Completing all plans takes more than a second.
SLICE = 0.005


class SlicedViews:
    """Asynchronous iterable of views that lets other tasks run between time slices."""

    def __init__(self, kind: type[View], protos: Sequence[Any]) -> None:
        self.kind = kind
        self.protos = protos

    async def __aiter__(self) -> AsyncIterator[View]:
        time_slice = TimeSlice()
        for proto in self.protos:
            yield self.kind.of(proto)
            await time_slice.pause()


class TimeSlice:
    """Measures the time since other tasks last ran."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def pause(self) -> None:
        """Let other tasks run if the time slice is used up."""
        if time.monotonic() - self._began > SLICE:
            await asyncio.sleep(0)
            self._began = time.monotonic()


def in_slices(kind: type[Kind], protos: Sequence[Any]) -> list[Kind]:
    """Return views of a long list of messages from a resolver, to be completed in time slices.

    graphql-core treats the result as an asynchronous iterable; the schema declares it as a list.
    """
    return cast("list[Kind]", SlicedViews(kind, protos))

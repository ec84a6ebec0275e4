"""Long lists in slices, so that one large answer doesn't keep everybody else waiting."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar, cast

from gateway.execution.views import View

Shown = TypeVar("Shown", bound=View)

# Seconds of work after which others get their turn. Completing all plans takes a second and more;
# a slice with several lists at once must still be shorter than anybody notices.
SLICE = 0.005


class SlicedViews:
    """An asynchronous iterable of views that lets others run between its slices."""

    def __init__(self, kind: type[View], protos: Sequence[Any]) -> None:
        self.kind = kind
        self.protos = protos

    async def __aiter__(self) -> AsyncIterator[View]:
        time_slice = TimeSlice()
        for proto in self.protos:
            yield self.kind.of(proto)
            await time_slice.pause()


class TimeSlice:
    """A time of work, measured from when others last had theirs."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def pause(self) -> None:
        """Lets others run when this one had its time."""
        if time.monotonic() - self._began > SLICE:
            await asyncio.sleep(0)
            self._began = time.monotonic()


def in_slices(kind: type[Shown], protos: Sequence[Any]) -> list[Shown]:
    """What a resolver returns for a long list of messages: each is shown, and completed, in its turn.

    To graphql-core it is an asynchronous iterable, whose items it completes one after the other; to
    the schema it is a list.
    """
    return cast("list[Shown]", SlicedViews(kind, protos))

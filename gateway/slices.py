"""Long lists in slices, so that one large answer doesn't keep everybody else waiting."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar, cast

Given = TypeVar("Given")
Made = TypeVar("Made")

# Seconds of work after which others get their turn. Completing all plans takes a second and more;
# a slice with several lists at once must still be shorter than anybody notices.
SLICE = 0.005


def in_slices(given: Iterable[Given], make: Callable[[Given], Made]) -> list[Made]:
    """What a resolver returns for a long list: each is made, and its fields resolved, in its turn.

    To graphql-core it is an asynchronous iterator, whose items it completes one after the other; to
    the schema it is a list.
    """
    return cast("list[Made]", _iterate(given, make))


async def _iterate(given: Iterable[Given], make: Callable[[Given], Made]) -> AsyncIterator[Made]:
    began = time.monotonic()
    for value in given:
        yield make(value)
        if time.monotonic() - began > SLICE:
            await asyncio.sleep(0)
            began = time.monotonic()

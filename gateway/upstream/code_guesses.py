"""Limits how many coupon codes a caller may try, so that codes can't be guessed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from kit.errors import Failure, Kind

# The reason by which the orders service refuses a code that can't be used.
WRONG = "COUPON_NOT_VALID"
# Adds a number of tries to every bucket and returns 0, or adds none and returns the seconds to wait.
Add = Callable[[Sequence[Any], int], Awaitable[float]]
# Returns the buckets of a caller.
Buckets = Callable[[], Sequence[Any]]


class CodeGuesses:
    """The tries of one caller, by its address and by its user; without buckets there is no limit."""

    def __init__(
        self, add: Add | None = None, address: Buckets = tuple, user: Buckets = tuple
    ) -> None:
        self._add = add
        self._address = address
        self._user = user

    async def check(self) -> None:
        """Count a code of `checkCoupon`; raise Failure EXHAUSTED if there were too many."""
        await self._take(self._address())

    @asynccontextmanager
    async def ordering(self, code: str | None) -> AsyncIterator[None]:
        """Count the code of a quote or a purchase in the block, and undo that unless the code is refused.

        Only a refusal as COUPON_NOT_VALID counts, for the user and for the address, because anonymous users
        cost nothing. Raises Failure EXHAUSTED, before the block is entered, if there were too many.
        """
        if not code:
            yield
            return
        # Counted in advance, so that parallel tries can't exceed the limit.
        buckets = [*self._address(), *self._user()]
        await self._take(buckets)
        wrong = False
        try:
            yield
        except Failure as failure:
            wrong = failure.reason == WRONG
            raise
        finally:
            if not wrong and self._add is not None and buckets:
                await self._add(buckets, -1)

    async def _take(self, buckets: Sequence[Any]) -> None:
        wait = await self._add(buckets, 1) if self._add is not None and buckets else 0.0
        if wait > 0:
            seconds = max(0.001, round(wait, 3))
            raise Failure(
                Kind.EXHAUSTED,
                "TOO_MANY_REQUESTS",
                f"Too many coupon codes were tried; try again in {seconds:g} s",
                retry_after=seconds,
            )


# Counts nothing.
UNLIMITED = CodeGuesses()

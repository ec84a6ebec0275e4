"""Rows of an export are read before the renderer wants them, a few at a time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.http.files.export_files import AHEAD, ahead
from kit.errors import Failure, Kind

FOREVER = 3600.0


class Source:
    """Frames that count how many of them were read."""

    def __init__(self, number: int, fails: Failure | None = None) -> None:
        self.read = 0
        self.closed = False
        self._number = number
        self._fails = fails

    async def frames(self) -> AsyncGenerator[bytes, None]:
        try:
            for n in range(self._number):
                self.read = n + 1
                yield str(n).encode()
            if self._fails is not None:
                raise self._fails
        finally:
            self.closed = True


async def settled() -> None:
    """Let every task run that can."""
    for _ in range(10 * AHEAD):
        await asyncio.sleep(0)


async def test_every_frame_arrives_in_order() -> None:
    source = Source(1_000)
    found = [one async for one in ahead(source.frames(), FOREVER)]
    assert found == [str(n).encode() for n in range(1_000)]
    assert source.closed


async def test_half_is_read_at_once_and_the_rest_slowly() -> None:
    source = Source(1_000)
    frames = ahead(source.frames(), FOREVER)
    assert await anext(frames) == b"0"
    await settled()
    # The one that was taken, and those that wait.
    assert source.read == AHEAD // 2 + 1
    for n in range(1, 11):
        assert await anext(frames) == str(n).encode()
    await settled()
    assert source.read == AHEAD // 2 + 11
    await frames.aclose()
    assert source.closed


async def test_no_more_is_read_than_there_is_room_for() -> None:
    source = Source(1_000)
    frames = ahead(source.frames(), 0.0)
    assert await anext(frames) == b"0"
    while source.read < AHEAD + 1:
        await asyncio.sleep(0.001)
    await settled()
    # One more is read, which waits for room.
    assert source.read == AHEAD + 1
    await frames.aclose()


async def test_a_failure_arrives_after_the_frames_before_it() -> None:
    source = Source(3, Failure(Kind.REFUSED, "EXPORT_TOO_LONG", "Too long"))
    found = []
    with pytest.raises(Failure, match="EXPORT_TOO_LONG"):
        async for one in ahead(source.frames(), FOREVER):
            found.append(one)
    assert found == [b"0", b"1", b"2"]

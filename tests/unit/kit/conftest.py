"""Fixtures of the kit's tests."""

from collections.abc import AsyncIterator, Iterator

import pytest
import stamina

from tests.unit.kit.played_provider import PlayedProvider
from tests.unit.kit.stepped_clock import SteppedClock


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def played() -> AsyncIterator[PlayedProvider]:
    async with PlayedProvider().running() as provider:
        yield provider


@pytest.fixture
def no_back_off() -> Iterator[None]:
    """Repeats as often as in production, but without the pauses between."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield

from collections.abc import AsyncIterator, Iterator

import pytest
import stamina

from tests.fixtures.stepped_clock import SteppedClock
from tests.unit.providers.fake_provider import FakeProvider
from tests.unit.providers.paced_shop import Shop


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def shop(clock: SteppedClock) -> AsyncIterator[Shop]:
    shop = Shop(clock)
    yield shop
    await shop.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider().running() as provider:
        yield provider


@pytest.fixture
def no_back_off() -> Iterator[None]:
    """Repeats as often as in production, but without the pauses between."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield

import pytest

from tests.fixtures.stepped_clock import SteppedClock


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()

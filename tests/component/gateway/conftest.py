"""Rate limits whose time stands still."""

import pytest

from gateway.http import rate_limits
from tests.fixtures.stepped_clock import SteppedClock


@pytest.fixture
def no_refill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let gateways that start from now on refill no budget, as they would while a slow machine tests them."""
    monkeypatch.setattr(rate_limits, "Clock", SteppedClock)

"""A sandbox world with a clock that only the test moves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.settings import Settings
from sandbox.state import ordering, timers
from sandbox.state.own_catalogue import own_catalogue
from sandbox.state.records import Assignment, Delivery, Esim, Order
from sandbox.state.world import World
from sandbox.switches import Switches

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUNDLE = "esim_1GB_7D_GB_V2"
CATALOGUE = own_catalogue()


@dataclass
class Bench:
    """A world with helpers for tests."""

    world: World
    moved: timedelta = field(default_factory=timedelta)

    @property
    def now(self) -> datetime:
        return timers.settle(self.world)

    def later(self, **step: float) -> datetime:
        """Advance the clock and run everything due."""
        self.world.clock.advance(timedelta(**step))
        return self.now

    def order(self, *lines: dict[str, Any], assign: bool = True) -> Order:
        """Place an order in the form of the contract."""
        body = {"type": "transaction", "assign": assign, "order": list(lines)}
        read = ordering.read_lines(self.world, body)
        return ordering.place(
            self.world, read, assigned=assign, branding="", source_ip="", at=self.now
        )

    def esim(self, bundle: str = BUNDLE) -> Esim:
        """Buy one eSIM with that bundle and return its ICCID."""
        order = self.order({"type": "bundle", "quantity": 1, "item": bundle})
        return self.world.esims[order.lines[0].iccids[0]]

    def assignment(self, esim: Esim, place: int = -1) -> Assignment:
        """Return one of the eSIM's assignments, by default the newest."""
        return self.world.assignments[esim.assignments[place]]

    def event_types(self, esim: Esim | None = None) -> list[str]:
        """Return the types of the callbacks so far, of one eSIM or of all."""
        return [item.type for item in self.callbacks(esim)]

    def callbacks(self, esim: Esim | None = None) -> list[Delivery]:
        return [item for item in self.world.deliveries if esim is None or item.iccid == esim.iccid]


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """Create benches with switches and a balance of the test's choice."""

    def make(balance: int = 1000, seed: int = 1, **switches: Any) -> Bench:
        settings = Settings(balance=Decimal(balance), seed=seed, switches=Switches(**switches))
        return Bench(World(settings, CATALOGUE, wall=lambda: START))

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()

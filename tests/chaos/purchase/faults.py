"""Faults of calls to the provider, chosen by a seed before the first order is sent."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.purchase.machine import Machine

# Seconds of the platform's provider timeout in these runs. "Late" is later than that, "slow" sooner.
TIMEOUT = 3.0
SLOW = 1.0
LATE = TIMEOUT + 0.5

BUYING: Mapping[str, Mapping[str, Any]] = {
    "dropped before it took effect": {"drop": True},
    "dropped after it took effect": {"drop": True, "effect": "done"},
    "500 before it took effect": {"status": 500},
    "500 after it took effect": {"status": 500, "effect": "done"},
    "503 before it took effect": {"status": 503, "headers": {"Retry-After": "1"}},
    "503 after it took effect": {"status": 503, "effect": "done", "headers": {"Retry-After": "1"}},
    "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "refused": {"status": 400, "body": {"message": "this bundle can't be ordered now"}},
    "unreadable after it took effect": {"status": 200, "effect": "done", "body": '{"order": ['},
    "slow": {"delay_seconds": SLOW},
    "answered too late": {"delay_seconds": LATE, "effect": "done"},
    "took effect too late": {"delay_seconds": LATE},
}
READING: Mapping[str, Mapping[str, Any]] = {
    "reading dropped": {"drop": True},
    "reading 500": {"status": 500},
    "reading 503": {"status": 503, "headers": {"Retry-After": "1"}},
    "reading 429": {"status": 429, "headers": {"Retry-After": "1"}},
    "reading slow": {"delay_seconds": SLOW},
}
# Shares of the calls that buy, and of those that read: enough for many concurrent faults, and too few to
# keep the circuit breaker open.
SHARE_OF_BUYING = 0.3
SHARE_OF_READING = 0.1


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault of one request, with its kind; the sandbox lets `skip` other requests pass before it."""

    kind: str
    fault: Mapping[str, Any]


def plan(orders: int, rng: random.Random) -> list[PlannedFault]:
    """Return the faults of a run with that many orders, every kind equally often."""
    found = []
    for kinds, method, path, share in (
        (BUYING, "POST", "/orders", SHARE_OF_BUYING),
        (READING, "GET", "*", SHARE_OF_READING),
    ):
        count = max(len(kinds), round(orders * share))
        # A fault doesn't count requests that hit an earlier fault, hence the short distances.
        positions = sorted(rng.choices(range(max(1, orders - count)), k=count))
        names = [name for name, _ in zip(rounds(kinds, rng), range(count), strict=False)]
        found += [
            PlannedFault(name, {"method": method, "path": path, "skip": skip, **kinds[name]})
            for name, skip in zip(names, positions, strict=True)
        ]
    return found


def rounds(kinds: Iterable[str], rng: random.Random) -> Iterable[str]:
    """Yield all kinds in a random order, repeatedly."""
    while True:
        yield from rng.sample(list(kinds), k=len(list(kinds)))


class InjectedFaults:
    """The faults that are set at the sandbox, and which of them occurred."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._set: dict[int, str] = {}

    async def inject(self, planned: Iterable[PlannedFault]) -> None:
        for item in planned:
            fault = await self._machine.control("POST", "/faults", item.fault)
            self._set[fault["id"]] = item.kind

    async def remove(self) -> Counter[str]:
        """Remove the remaining faults; returns how often each kind occurred."""
        remaining = {
            item["id"] for item in (await self._machine.control("GET", "/faults"))["faults"]
        }
        await self._machine.control("DELETE", "/faults")
        occurred = Counter(kind for id_, kind in self._set.items() if id_ not in remaining)
        self._set.clear()
        return occurred

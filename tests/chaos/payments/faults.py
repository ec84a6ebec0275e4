"""Faults of the payment provider's API and of its events, chosen by a seed before the first order is sent."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.chaos.purchase.faults import rounds
from tests.chaos.purchase.machine import Machine

# Seconds of the platform's timeout for calls to the payment provider.
TIMEOUT = 2.0
LATE = TIMEOUT + 0.5

WRITING: Mapping[str, Mapping[str, Any]] = {
    "500 before it took effect": {"kind": "error", "stored": False},
    "500 after it took effect, stored": {"kind": "error", "effect": "done"},
    "503 after it took effect": {
        "kind": "error",
        "effect": "done",
        "status": 503,
        "stored": False,
    },
    "no answer, no effect": {"kind": "timeout", "delay_seconds": LATE},
    "no answer after it took effect": {
        "kind": "timeout",
        "effect": "done",
        "delay_seconds": LATE,
    },
    "cut after it took effect": {"kind": "cut"},
    "409": {"kind": "conflict"},
    "429": {"kind": "rate_limit"},
    "HTML": {"kind": "html"},
    "empty after it took effect": {"kind": "empty"},
    "slow": {"kind": "slow", "delay_seconds": 0.8},
    "answered too late": {"kind": "slow", "delay_seconds": LATE},
    "took effect too late": {"kind": "slow", "effect": "none", "delay_seconds": LATE},
}
READING: Mapping[str, Mapping[str, Any]] = {
    "reading 500": {"kind": "error", "stored": False},
    "reading timed out": {"kind": "timeout", "delay_seconds": LATE},
    "reading cut": {"kind": "cut"},
    "reading 429": {"kind": "rate_limit"},
}
# Calls that change something, with the number of faults for each order of a run.
PATHS = {
    "/payment_intents": 0.15,
    "/checkout/sessions": 0.1,
    "/payment_intents/*/capture": 0.15,
    "/payment_intents/*/cancel": 0.06,
    "/checkout/sessions/*/expire": 0.04,
    "/refunds": 0.08,
}
SHARE_OF_READING = 0.15
# How events are delivered, one way after another. The platform must work without any.
DELIVERIES: Mapping[str, Mapping[str, Any]] = {
    "as usual": {},
    "half are lost": {"lose_probability": 0.5},
    "three times, shuffled": {"copies": 3, "shuffle": True},
    "twice under different ids": {"twins": True},
    "with older states": {"stale": True},
    "two seconds late": {"delay_seconds": 2.0},
    "before the answer": {"before_answer": True},
    "all are lost": {"lose_probability": 1.0},
}
# Seconds between two attempts at a webhook process that does not answer.
RETRIES = [0.5, 1.0, 2.0]
# Seconds for which events are delivered in one way.
EACH = 4.0


def plan(orders: int, rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Return the faults of a run with that many orders, by kind."""
    found = []
    calls = [("POST", path, WRITING, share) for path, share in PATHS.items()]
    for method, path, kinds, share in (*calls, ("GET", "*", READING, SHARE_OF_READING)):
        count = max(2, round(orders * share))
        names = [name for name, _ in zip(rounds(kinds, rng), range(count), strict=False)]
        # Within the first half of the requests. A fault doesn't count requests that hit an earlier fault.
        positions = sorted(rng.choices(range(max(3, round(orders * share * 2))), k=count))
        found += [
            (name, {"method": method, "path": path, "skip": skip, **kinds[name]})
            for name, skip in zip(names, positions, strict=True)
        ]
    return found


class InjectedPaymentFaults:
    """The faults that are set at the payment sandbox, and which of them occurred."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._set: dict[int, str] = {}

    async def inject(self, planned: list[tuple[str, dict[str, Any]]]) -> None:
        for name, fault in planned:
            stored = await self._machine.payments("POST", "/faults", fault)
            self._set[stored["id"]] = name

    async def remove(self) -> Counter[str]:
        """Remove the remaining faults; returns how often each kind occurred."""
        remaining = {item["id"] for item in await self._machine.payments("GET", "/faults")}
        await self._machine.payments("DELETE", "/faults")
        occurred = Counter(
            f"payments: {name}" for id_, name in self._set.items() if id_ not in remaining
        )
        self._set.clear()
        return occurred

    @asynccontextmanager
    async def vary_deliveries(self, rng: random.Random) -> AsyncIterator[None]:
        """Change how events are delivered during the block, and deliver them as usual afterwards."""
        changing = asyncio.create_task(self._change(rng))
        try:
            yield
        finally:
            changing.cancel()
            await asyncio.wait([changing])
            await self._machine.payments("POST", "/delivery", {"retry_seconds": RETRIES})

    async def _change(self, rng: random.Random) -> None:
        for name in rounds(DELIVERIES, rng):
            mode = {**DELIVERIES[name], "retry_seconds": RETRIES, "seed": rng.randrange(1000)}
            await self._machine.payments("POST", "/delivery", mode)
            await asyncio.sleep(EACH)

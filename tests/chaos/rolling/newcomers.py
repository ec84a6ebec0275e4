"""An additional replica of each service: how soon its callers find it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.fleet.fleet import Fleet, Replica

SERVICES = ("catalogue", "esims", "orders")
CALLS = "rpc_server_call_duration_seconds"
# Seconds between two scrapes.
LOOK_EVERY = 0.5
# Seconds over which the shares are counted: some dozens of calls at the load's rates.
COUNTED = 8.0
# gRPC varies the age of connections by a tenth, and waits some seconds between two DNS queries.
LATEST = 1.5


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An added replica: the seconds until its first call, and its share of calls after that."""

    name: str
    first_call: float | None
    share: float
    fair: float
    connection_age: float

    @property
    def faults(self) -> list[str]:
        if self.first_call is None or self.first_call > LATEST * self.connection_age:
            return [f"{self.name}: not found within {LATEST:g} connection ages"]
        return [f"{self.name}: a share of {self.share:.0%}"] if self.share < self.fair / 2 else []

    def __str__(self) -> str:
        first = (
            "never called" if self.first_call is None else f"called after {self.first_call:.1f} s"
        )
        return f"{self.name:<22} {first}, then {self.share:.0%} of the calls; a fair share is {self.fair:.0%}"


async def add_everywhere(fleet: Fleet, connection_age: float) -> list[Newcomer]:
    """Add a replica of each service, and remove it again when its share is known."""
    added = await asyncio.gather(*(fleet.add(name) for name in SERVICES))
    found = await asyncio.gather(*(_watch(fleet, one, connection_age) for one in added))
    await asyncio.gather(*(fleet.remove(replica) for replica in added))
    return list(found)


async def _watch(fleet: Fleet, replica: Replica, connection_age: float) -> Newcomer:
    began = time.monotonic()
    first: float | None = None
    while (waited := time.monotonic() - began) < LATEST * connection_age:
        if first is None and await _calls(fleet, [replica]) > 0:
            first = waited
        await asyncio.sleep(LOOK_EVERY)
    every = fleet.replicas[replica.process.name]
    before = (await _calls(fleet, [replica]), await _calls(fleet, every))
    await asyncio.sleep(COUNTED)
    after = (await _calls(fleet, [replica]), await _calls(fleet, every))
    mine, all_of_them = after[0] - before[0], after[1] - before[1]
    share = mine / all_of_them if all_of_them else 0.0
    return Newcomer(replica.name, first, share, 1 / len(every), connection_age)


async def _calls(fleet: Fleet, replicas: Sequence[Replica]) -> float:
    """Return how many calls they have answered."""
    total = 0.0
    for replica in replicas:
        async with fleet.machine.http.get(replica.metrics) as answer:
            text = await answer.text()
        for family in text_string_to_metric_families(text):
            if family.name == CALLS:
                total += sum(s.value for s in family.samples if s.name == f"{CALLS}_count")
    return total

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
POLL_INTERVAL = 0.5
# Seconds over which the shares are counted: some dozens of calls at the load's rates.
COUNT_SECONDS = 8.0
# In connection ages. gRPC varies the age by a tenth, and waits some seconds between two DNS queries.
MAX_AGES = 1.5


@dataclass(frozen=True, slots=True)
class AddedReplica:
    """An added replica: the seconds until its first call, and its share of calls after that."""

    name: str
    first_call: float | None
    share: float
    fair: float
    connection_age: float

    @property
    def faults(self) -> list[str]:
        if self.first_call is None or self.first_call > MAX_AGES * self.connection_age:
            return [f"{self.name}: not found within {MAX_AGES:g} connection ages"]
        return [f"{self.name}: a share of {self.share:.0%}"] if self.share < self.fair / 2 else []

    def __str__(self) -> str:
        first = (
            "never called" if self.first_call is None else f"called after {self.first_call:.1f} s"
        )
        return f"{self.name:<22} {first}, then {self.share:.0%} of the calls; a fair share is {self.fair:.0%}"


async def add_everywhere(fleet: Fleet, connection_age: float) -> list[AddedReplica]:
    """Add a replica of each service, and remove it again when its share is known."""
    added = await asyncio.gather(*(fleet.add(name) for name in SERVICES))
    results = await asyncio.gather(*(_watch(fleet, one, connection_age) for one in added))
    await asyncio.gather(*(fleet.remove(replica) for replica in added))
    return list(results)


async def _watch(fleet: Fleet, replica: Replica, connection_age: float) -> AddedReplica:
    began = time.monotonic()
    first: float | None = None
    while (waited := time.monotonic() - began) < MAX_AGES * connection_age:
        if first is None and await _calls(fleet, [replica]) > 0:
            first = waited
        await asyncio.sleep(POLL_INTERVAL)
    replicas = fleet.replicas[replica.process.name]
    before = (await _calls(fleet, [replica]), await _calls(fleet, replicas))
    await asyncio.sleep(COUNT_SECONDS)
    after = (await _calls(fleet, [replica]), await _calls(fleet, replicas))
    own, total = after[0] - before[0], after[1] - before[1]
    share = own / total if total else 0.0
    return AddedReplica(replica.name, first, share, 1 / len(replicas), connection_age)


async def _calls(fleet: Fleet, replicas: Sequence[Replica]) -> float:
    """Return how many calls these replicas have served."""
    total = 0.0
    for replica in replicas:
        async with fleet.machine.http.get(replica.metrics) as response:
            text = await response.text()
        for family in text_string_to_metric_families(text):
            if family.name == CALLS:
                total += sum(s.value for s in family.samples if s.name == f"{CALLS}_count")
    return total

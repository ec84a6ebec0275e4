"""The checks after a run under load: money, callbacks, and what subscribers saw."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from tests.chaos.callbacks import final_state
from tests.chaos.fleet.load import CUSTOMERS, Load
from tests.chaos.purchase import books
from tests.chaos.purchase.audit import Finding, audit
from tests.chaos.purchase.machine import Machine

# Seconds until the last order must have ended and the last callback been delivered: the longest pause of
# the delivery, and twice the time of an interrupted order.
FINISH_TIMEOUT = 120.0
# Seconds between two checks meanwhile.
POLL_INTERVAL = 0.5
# Callbacks that the sandbox sent, not this load.
SENT_BY_SANDBOX = "stored and never sent"
WIDTH = 64


async def close_books(load: Load) -> list[Finding]:
    """Wait for pending work, then compare everything that the load did with the tables and the ledger."""
    machine = load.fleet.machine
    states = await _settled(machine)
    orders = await books.recorded(machine)
    seen: dict[str, tuple[str, frozenset[str]]] = {}
    of_customer: list[frozenset[str]] = []
    for customer in range(CUSTOMERS):
        orders_seen = await load.buyers.seen(customer)
        seen |= orders_seen
        of_customer.append(frozenset(i for _, iccids in orders_seen.values() for i in iccids))
    missed = await _missed_esims(load, of_customer)
    async with machine.database() as connection:
        faults = await final_state.inbox_faults(connection, load.sender.sent)
    faults.pop(SENT_BY_SANDBOX, None)
    acknowledged = sum(sent.acknowledged > 0 for sent in load.sender.sent.values())
    return [
        *audit(await books.charges(machine), orders, load.buyers.results, seen, lambda *_: None),
        Finding(
            "every acknowledged callback is stored exactly once",
            acknowledged,
            [f"{count} {fault}" for fault, count in faults.items()],
        ),
        Finding(
            "every callback was delivered to its owner",
            sum(states.values()),
            [f"{count} {state}" for state, count in states.items() if state != "DELIVERED"],
        ),
        Finding("every follower saw every eSIM of its customer", len(load.followers), missed),
    ]


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return a table of the rules, with a few examples of violations."""
    lines = [f"{'rule':<{WIDTH}} {'checked':>9} {'broken':>7}"]
    for finding in findings:
        lines.append(f"{finding.rule:<{WIDTH}} {finding.checked:>9} {len(finding.violations):>7}")
        lines += [f"    {text}" for text in finding.violations[:5]]
    return lines


async def _settled(machine: Machine) -> Counter[str]:
    """Return the deliveries by state, once none is pending or the time is up."""
    ends = time.monotonic() + FINISH_TIMEOUT
    while True:
        async with machine.database() as connection:
            rows = await connection.fetch(
                "select state, count(*) as count from webhooks.deliveries group by 1"
            )
        states = Counter({row["state"]: row["count"] for row in rows})
        unfinished = states["PENDING"] or await books.processing(machine)
        if not unfinished or time.monotonic() > ends:
            return +states
        await asyncio.sleep(POLL_INTERVAL)


async def _missed_esims(load: Load, of_customer: Sequence[frozenset[str]]) -> list[str]:
    """Return the subscribers that haven't seen everything in time."""
    each = len(load.followers) // CUSTOMERS
    ends = time.monotonic() + FINISH_TIMEOUT
    while True:
        missed = [
            f"follower {n} misses {len(missing)} eSIMs"
            for n, follower in enumerate(load.followers)
            if (missing := of_customer[n // each] - follower.iccids)
        ]
        if not missed or time.monotonic() > ends:
            return missed
        await asyncio.sleep(POLL_INTERVAL)

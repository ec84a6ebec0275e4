"""One run under load: everything replaced, replicas added, killed and frozen; then the audit."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cli.config.processes import PROCESSES
from tests.chaos.fleet import books
from tests.chaos.fleet.fleet import Fleet
from tests.chaos.fleet.load import Load, Rates
from tests.chaos.fleet.response_log import Response, table
from tests.chaos.purchase.audit import Finding
from tests.chaos.rolling import added_replicas, failures
from tests.chaos.rolling.added_replicas import AddedReplica
from tests.chaos.rolling.failures import ReplicaFailure

Say = Callable[[str], None]

# Maximum age of a caller's connection in seconds; minutes in a deployment.
CONNECTION_AGE = 15.0
SETTINGS = {
    "LOG_LEVEL": "info",
    # A few customers simulate many.
    "ORDERS_MAX_UNFINISHED": "100000",
    "GRPC_MAX_CONNECTION_AGE_SECONDS": str(CONNECTION_AGE),
    # As in the purchase runs: orders that a killed process left unfinished are settled within the run.
    "ESIM_GO_TIMEOUT": "5",
    "ORDERS_SETTLING_SECONDS": "5",
    "ORDERS_CLOCK_TOLERANCE_SECONDS": "1",
    "ORDERS_TAKEOVER_SECONDS": "2",
    "ORDERS_RECOVERY_SECONDS": "0.5",
    "ORDERS_PURCHASE_WAIT": "3",
}
# Seconds of load before the first action, and between two replacements.
WARM_UP, BETWEEN = 3.0, 1.0
# Seconds that requests in flight get at the end of the load, also on a slow machine.
PATIENCE = 120.0
# Every process that has callers is killed or frozen.
FAILURES = (
    ("orders", "kill -9"),
    ("catalogue", "frozen"),
    ("esims", "frozen"),
    ("gateway", "kill -9"),
    ("gateway", "frozen"),
    ("webhooks", "kill -9"),
    ("webhooks", "frozen"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: which replicas to replace, whether to add some, which to kill."""

    replaced: Sequence[str] = tuple(p.name for p in PROCESSES for _ in range(2))
    add_replicas: bool = True
    failures: Sequence[tuple[str, str]] = FAILURES
    rates: Rates = field(default_factory=Rates)
    seed: int = 1


@dataclass(slots=True)
class Report:
    rolls: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    rolling: Sequence[Response] = ()
    closes: Counter[int | None] = field(default_factory=Counter)
    gaps: list[float] = field(default_factory=list)
    added: list[AddedReplica] = field(default_factory=list)
    failures: list[ReplicaFailure] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(finding.violations for finding in self.findings)

    def __str__(self) -> str:
        gap = f", the longest interruption was {max(self.gaps):.1f} s" if self.gaps else ""
        closes = ", ".join(f"{n} with {code}" for code, n in self.closes.items()) or "none"
        return "\n".join(
            [
                *("replaced:", *(f"  {line}" for line in self.rolls)),
                *("", "responses to clients meanwhile:", *table(self.rolling)),
                f"connections of followers closed: {closes}{gap}",
                *(["", "added:"] if self.added else []),
                *(f"  {one}" for one in self.added),
                *(["", "killed or frozen:"] if self.failures else []),
                *(f"  {one}" for one in self.failures),
                *("", *books.lines(self.findings), "ALL HOLDS" if self.holds else "BROKEN"),
            ]
        )


async def run(fleet: Fleet, plan: Plan, say: Say = lambda text: None) -> Report:
    """Execute the plan on a fleet with two replicas of each process."""
    report = Report()
    load = await Load.prepare(fleet, plan.rates, plan.seed)
    await load.start()
    await asyncio.sleep(WARM_UP)
    for name in plan.replaced:
        report.rolls.append(await _roll(fleet, name, report.statuses))
        say(report.rolls[-1])
        await asyncio.sleep(BETWEEN)
    rolled = time.monotonic()
    report.closes = Counter(code for follower in load.followers for code in follower.closes)
    report.gaps = [gap for follower in load.followers for gap in follower.gaps]
    if plan.add_replicas:
        report.added = await added_replicas.add_everywhere(fleet, CONNECTION_AGE)
        for added in report.added:
            say(str(added))
    # Until now nothing was killed, so no request may have failed, although replicas were removed.
    failures_began = time.monotonic()
    for victim, mode in plan.failures:
        report.failures.append(await failures.fail(fleet, load.log, victim, mode))
        say(str(report.failures[-1]))
    await load.end(PATIENCE)
    # A request that hung because of a kill may end late, but began after `failures_began`.
    before = [one for one in load.log.responses if one.at - one.seconds < failures_began]
    report.rolling = [one for one in before if one.at < rolled]
    say("the load has ended; auditing")
    report.findings = [
        _losses(before),
        Finding("every replaced process exited with status 0", len(report.rolls), report.statuses),
        *_of_added(report.added),
        *_of_failures(report.failures),
        *await books.close_books(load),
        _unexpected_errors(fleet),
    ]
    await load.stop_following()
    return report


async def _roll(fleet: Fleet, name: str, statuses: list[str]) -> str:
    """Start a new replica and stop the oldest; returns a line about it."""
    begun = time.monotonic()
    new = await fleet.add(name)
    ready = time.monotonic()
    old = fleet.replicas[name][0]
    await fleet.remove(old)
    if old.supervised.status != 0:
        statuses.append(f"{old.name} exited with {old.supervised.status}")
    took = f"ready after {ready - begun:.1f} s, the old one ended after {time.monotonic() - ready:.1f} s"
    return f"{name:<10} {old.host} by {new.host}: {took}"


def _losses(responses: Sequence[Response]) -> Finding:
    bad = Counter(f"{one.kind}: {one.outcome}" for one in responses if not one.good)
    return Finding(
        "not one request or callback was lost while processes were replaced",
        len(responses),
        [f"{count} {outcome}" for outcome, count in bad.items()],
    )


def _of_added(replicas: Sequence[AddedReplica]) -> list[Finding]:
    faults = [fault for one in replicas for fault in one.faults]
    return [Finding("every new replica got its share", len(replicas), faults)] if replicas else []


def _of_failures(found: Sequence[ReplicaFailure]) -> list[Finding]:
    faults = [fault for one in found for fault in one.faults]
    rule = f"requests failed for at most {failures.MAX_OUTAGE:g} s after a kill, with known errors"
    return [Finding(rule, len(found), faults)] if found else []


def _unexpected_errors(fleet: Fleet) -> Finding:
    exits = [
        f"{replica.name} exited unexpectedly"
        for replicas in fleet.replicas.values()
        for replica in replicas
        if replica.supervised.unexpected_exits
    ]
    return Finding(
        "no process exited or logged an unexpected error",
        sum(map(len, fleet.replicas.values())),
        exits + fleet.machine.log.errors,
    )

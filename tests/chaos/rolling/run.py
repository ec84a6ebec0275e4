"""One run under load: everything replaced, replicas added, killed and frozen; then the audit."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cli.config.processes import PROCESSES
from tests.chaos.fleet import books
from tests.chaos.fleet.account import Response, table
from tests.chaos.fleet.fleet import Fleet
from tests.chaos.fleet.load import Load, Rates
from tests.chaos.purchase.audit import Finding
from tests.chaos.rolling import deaths, newcomers
from tests.chaos.rolling.deaths import Death
from tests.chaos.rolling.newcomers import Newcomer

Say = Callable[[str], None]

# Maximum age of a caller's connection in seconds; minutes in a deployment.
CONNECTION_AGE = 15.0
SETTINGS = {
    "LOG_LEVEL": "info",
    # A few customers simulate many.
    "ORDERS_MAX_UNFINISHED": "100000",
    "GRPC_MAX_CONNECTION_AGE_SECONDS": str(CONNECTION_AGE),
    # As in the chaos of purchases: what a killed process leaves is settled within the run.
    "ESIM_GO_TIMEOUT": "5",
    "ORDERS_SETTLING_SECONDS": "5",
    "ORDERS_CLOCK_TOLERANCE_SECONDS": "1",
    "ORDERS_TAKEOVER_SECONDS": "2",
    "ORDERS_RECOVERY_SECONDS": "0.5",
    "ORDERS_PURCHASE_WAIT": "3",
}
# Seconds of load before the first action, and between two replacements.
CALM, BETWEEN = 3.0, 1.0
# Seconds that requests in flight get at the end of the load, also on a slow machine.
PATIENCE = 120.0
# All processes that have callers, services and the balancer's, in both modes.
DEATHS = (
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
    newcomers: bool = True
    deaths: Sequence[tuple[str, str]] = DEATHS
    rates: Rates = field(default_factory=Rates)
    seed: int = 1


@dataclass(slots=True)
class Report:
    rolls: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    rolling: Sequence[Response] = ()
    closes: Counter[int | None] = field(default_factory=Counter)
    gaps: list[float] = field(default_factory=list)
    newcomers: list[Newcomer] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(finding.broken for finding in self.findings)

    def __str__(self) -> str:
        gap = f", the longest was away for {max(self.gaps):.1f} s" if self.gaps else ""
        closes = ", ".join(f"{n} with {code}" for code, n in self.closes.items()) or "none"
        return "\n".join(
            [
                *("replaced:", *(f"  {line}" for line in self.rolls)),
                *("", "what clients heard meanwhile:", *table(self.rolling)),
                f"connections of followers closed: {closes}{gap}",
                *(["", "added:"] if self.newcomers else []),
                *(f"  {one}" for one in self.newcomers),
                *(["", "dead or hung:"] if self.deaths else []),
                *(f"  {one}" for one in self.deaths),
                *("", *books.lines(self.findings), "ALL HOLDS" if self.holds else "BROKEN"),
            ]
        )


async def run(opened: Fleet, plan: Plan, say: Say = lambda text: None) -> Report:
    """Execute the plan on a fleet of two of each."""
    report = Report()
    load = await Load.prepare(opened, plan.rates, plan.seed)
    await load.start()
    await asyncio.sleep(CALM)
    for name in plan.replaced:
        report.rolls.append(await _roll(opened, name, report.statuses))
        say(report.rolls[-1])
        await asyncio.sleep(BETWEEN)
    rolled = time.monotonic()
    report.closes = Counter(code for follower in load.followers for code in follower.closes)
    report.gaps = [gap for follower in load.followers for gap in follower.gaps]
    if plan.newcomers:
        report.newcomers = await newcomers.add_everywhere(opened, CONNECTION_AGE)
        for newcomer in report.newcomers:
            say(str(newcomer))
    # So far nothing was killed, so no request may have failed although replicas were removed.
    peaceful = time.monotonic()
    for victim, manner in plan.deaths:
        report.deaths.append(await deaths.strike(opened, load.account, victim, manner))
        say(str(report.deaths[-1]))
    await load.end(PATIENCE)
    # A request that hung in a kill may end late; it began later than `peaceful`.
    before = [one for one in load.account.responses if one.at - one.seconds < peaceful]
    report.rolling = [one for one in before if one.at < rolled]
    say("the load has ended; comparing the books")
    report.findings = [
        _losses(before),
        Finding("every replaced process ended well", len(report.rolls), report.statuses),
        *_of_newcomers(report.newcomers),
        *_of_deaths(report.deaths),
        *await books.close_books(load),
        _alarms(opened),
    ]
    await load.stop_following()
    return report


async def _roll(opened: Fleet, name: str, statuses: list[str]) -> str:
    """Start a new replica and stop the oldest; returns a line about it."""
    begun = time.monotonic()
    fresh = await opened.add(name)
    ready = time.monotonic()
    old = opened.replicas[name][0]
    await opened.remove(old)
    if old.kept.status != 0:
        statuses.append(f"{old.name} ended with {old.kept.status}")
    took = f"ready after {ready - begun:.1f} s, the old one ended after {time.monotonic() - ready:.1f} s"
    return f"{name:<10} {old.host} by {fresh.host}: {took}"


def _losses(responses: Sequence[Response]) -> Finding:
    bad = Counter(f"{one.kind}: {one.what}" for one in responses if not one.good)
    return Finding(
        "not one request or callback was lost while processes were replaced",
        len(responses),
        [f"{count} {what}" for what, count in bad.items()],
    )


def _of_newcomers(found: Sequence[Newcomer]) -> list[Finding]:
    faults = [fault for one in found for fault in one.faults]
    return [Finding("every new replica got its share", len(found), faults)] if found else []


def _of_deaths(found: Sequence[Death]) -> list[Finding]:
    faults = [fault for one in found for fault in one.faults]
    rule = f"killed processes were out within {deaths.OUT_WITHIN:g} s, and their failures had codes"
    return [Finding(rule, len(found), faults)] if found else []


def _alarms(opened: Fleet) -> Finding:
    ends = [
        f"{replica.name} ended by itself"
        for replicas in opened.replicas.values()
        for replica in replicas
        if replica.kept.ends
    ]
    return Finding(
        "no process ended by itself, or met what it did not foresee",
        sum(map(len, opened.replicas.values())),
        ends + opened.machine.lines.alarms,
    )

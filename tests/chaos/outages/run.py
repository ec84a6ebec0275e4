"""The platform's dependencies fail one after the other under load."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from tests.chaos.fleet import books
from tests.chaos.fleet.account import Response, table
from tests.chaos.fleet.fleet import Fleet
from tests.chaos.fleet.load import Load, Rates
from tests.chaos.outages import states
from tests.chaos.purchase.audit import Finding
from tests.chaos.rolling import run as rolling
from tests.chaos.rolling.run import PATIENCE, Say
from tests.fixtures.programs.collector import Collector

SETTINGS = rolling.SETTINGS | {
    # Short enough for the pauses to end within a run.
    "ESIM_GO_MAX_HOLD_SECONDS": "5"
}
# Seconds of load before the first outage.
CALM = 3.0
# Seconds without a failure after which the platform counts as recovered.
WELL = 5.0
# Seconds within which it must recover: circuits and connections are retried every few.
RECOVERED_WITHIN = 30.0
# Seconds within which spans must arrive again: a channel refused for a minute retries at growing
# intervals, of two minutes at most.
SPANS_WITHIN = 150.0
# Seconds within which health, metrics and doctor must show a state: write checks are 15 s apart.
SHOWN_WITHIN = 30.0
# Seconds between two checks.
LOOK_EVERY = 0.5
AWAY = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
# Allowed outcomes by outage. Without Redis every process uses its own memory, and the collector is
# optional. The webhooks answer 503, so that the provider posts again.
ALLOWED = {
    "redis": frozenset[str](),
    "collector": frozenset[str](),
    "postgres": AWAY | {"503"},
    "sandbox": AWAY,
}
# Allowed outcomes by state of the database and of the provider: temporary error codes.
ALLOWED_IN_STATES = {"database": AWAY | {"503"}, "provider": AWAY | {"RATE_LIMITED"}}
# Kinds that must not notice an outage of the provider: stored data is shown, callbacks are stored.
UNTOUCHED_BY_PROVIDER = frozenset({"public query", "personal query", "callback", "subscription"})


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage, the outcomes during it, and how long after its end the last request failed."""

    victim: str
    during: Sequence[Response]
    recovery: float | None
    unseen: Sequence[str] = ()

    @property
    def faults(self) -> list[str]:
        bad = Counter((one.kind, one.what) for one in self.during if not one.good)
        strange = [
            f"without {self.victim}, {kind}: {count} {what}"
            for (kind, what), count in bad.items()
            if what not in self._allowed or (self._provider and kind in UNTOUCHED_BY_PROVIDER)
        ]
        late = [f"without {self.victim}: not well again"] if self.recovery is None else []
        return [*strange, *late, *(f"without {self.victim}: {text}" for text in self.unseen)]

    @property
    def _allowed(self) -> frozenset[str]:
        if self.victim in ALLOWED:
            return ALLOWED[self.victim]
        return ALLOWED_IN_STATES["provider" if self._provider else "database"]

    @property
    def _provider(self) -> bool:
        return self.victim == "sandbox" or "provider" in self.victim

    def __str__(self) -> str:
        after = "not recovered" if self.recovery is None else f"well after {self.recovery:.1f} s"
        return "\n".join([f"without {self.victim}; {after}", *table(self.during)])


@dataclass(slots=True)
class Report:
    outages: list[Outage] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(finding.broken for finding in self.findings)

    def __str__(self) -> str:
        told = [f"{outage}\n" for outage in self.outages]
        return "\n".join(
            [*told, *books.lines(self.findings), "ALL HOLDS" if self.holds else "BROKEN"]
        )


@dataclass(slots=True)
class Collecting:
    """A collector of traces that can stop and start again on the same port."""

    port: int
    kept: Collector = field(default_factory=Collector)
    _server: grpc.aio.Server | None = None
    _before: int = 0

    async def begin(self) -> None:
        self._server = grpc.aio.server()
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self.kept, self._server)  # type: ignore[no-untyped-call]  # generated so
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._before = len(self.kept.received)
        await self._server.start()

    async def again(self) -> bool:
        """Wait for a span since the restart; False if none arrives."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SPANS_WITHIN):
                while len(self.kept.received) == self._before:
                    await asyncio.sleep(LOOK_EVERY)
        return len(self.kept.received) > self._before

    async def end(self) -> None:
        if self._server is not None:
            await self._server.stop(None)


async def run(
    opened: Fleet,
    seconds: float,
    seed: int = 1,
    say: Say = lambda text: None,
    *,
    within: float = RECOVERED_WITHIN,
    only: Callable[[str], bool] = lambda state: True,
) -> Report:
    """Run every outage for that many seconds, on a fleet that sends traces.

    It must have recovered `within` seconds. `only` selects among the states that are tried after that.
    """
    report = Report()
    async with AsyncExitStack() as stack:
        collecting = Collecting(opened.collector_port)
        await collecting.begin()
        stack.push_async_callback(collecting.end)
        load = await Load.prepare(opened, Rates(), seed)
        await load.start()
        stack.push_async_callback(load.stop_following)
        await asyncio.sleep(CALM)
        for name in ("redis", "postgres", "sandbox"):
            kept = opened.around[name]
            outage = await _without(load, name, kept.hold, kept.let_go, seconds, within)
            report.outages.append(outage)
            say(f"{report.outages[-1]}\n")
        report.outages.append(
            await _without(load, "collector", collecting.end, collecting.begin, seconds, within)
        )
        say(f"{report.outages[-1]}\n")
        async with states.every(opened, say) as found:
            for state in (one for one in found if only(one.name)):
                outage = await _without(
                    load, state.name, state.begin, state.end, seconds, within, state.shown
                )
                report.outages.append(outage)
                say(f"{outage}\n")
        came = await collecting.again()
        await load.end(PATIENCE)
        report.findings = [
            Finding(
                "what failed, failed with its code, and all was well again by itself",
                len(report.outages),
                [fault for outage in report.outages for fault in outage.faults],
            ),
            *await books.close_books(load),
            Finding(
                "spans came again to the collector that was away", 1, [] if came else ["none came"]
            ),
            _ends(opened),
        ]
    return report


async def _without(
    load: Load,
    victim: str,
    away: Callable[[], Awaitable[None]],
    back: Callable[[], Awaitable[None]],
    seconds: float,
    within: float,
    shown: Callable[[], Awaitable[Sequence[str]]] | None = None,
) -> Outage:
    began = time.monotonic()
    await away()
    await asyncio.sleep(seconds)
    unseen: Sequence[str] = ()
    if shown is not None:
        until = time.monotonic() + max(within, SHOWN_WITHIN)
        while (unseen := await shown()) and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY)
    await back()
    returned = time.monotonic()
    while (now := time.monotonic()) < returned + within:
        bad = [one.at for one in load.account.between(returned) if not one.good]
        last = max(bad, default=returned)
        if now - last >= WELL:
            return Outage(victim, load.account.between(began), last - returned, unseen)
        await asyncio.sleep(LOOK_EVERY)
    return Outage(victim, load.account.between(began), None, unseen)


def _ends(opened: Fleet) -> Finding:
    every = [replica for found in opened.replicas.values() for replica in found]
    ends = [f"{replica.name} ended by itself" for replica in every if replica.kept.ends]
    return Finding(
        "no process ended by itself, or met what it did not foresee",
        len(every),
        ends + opened.machine.lines.alarms,
    )

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
from tests.chaos.fleet.fleet import Fleet
from tests.chaos.fleet.load import Load, Rates
from tests.chaos.fleet.response_log import Response, table
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
WARM_UP = 3.0
# Seconds without a failure after which the platform counts as recovered.
QUIET_SECONDS = 5.0
# Seconds within which it must recover: circuits and connections are retried every few.
RECOVERED_WITHIN = 30.0
# Seconds within which spans must arrive again: a channel refused for a minute retries at growing
# intervals, of two minutes at most.
SPANS_WITHIN = 150.0
# Seconds within which health, metrics and doctor must report a state: write checks are 15 s apart.
REPORTED_WITHIN = 30.0
# Seconds between two checks.
POLL_INTERVAL = 0.5
TEMPORARY = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
# Allowed outcomes by outage. Without Redis every process uses its own memory, and the collector is
# optional. The webhooks answer 503, so that the provider posts again.
ALLOWED = {
    "redis": frozenset[str](),
    "collector": frozenset[str](),
    "postgres": TEMPORARY | {"503"},
    "sandbox": TEMPORARY,
}
# Allowed outcomes by state of the database and of the provider: temporary error codes.
ALLOWED_IN_STATES = {"database": TEMPORARY | {"503"}, "provider": TEMPORARY | {"RATE_LIMITED"}}
# Kinds of requests that an outage of the provider must not affect: they use stored data, or are stored.
INDEPENDENT_OF_PROVIDER = frozenset({"public query", "personal query", "callback", "subscription"})


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage: the responses during it, the seconds until recovery, and what was not reported."""

    victim: str
    during: Sequence[Response]
    recovery: float | None
    unreported: Sequence[str] = ()

    @property
    def faults(self) -> list[str]:
        bad = Counter((one.kind, one.outcome) for one in self.during if not one.good)
        unexpected = [
            f"without {self.victim}, {kind}: {count} {outcome}"
            for (kind, outcome), count in bad.items()
            if outcome not in self._allowed or (self._provider and kind in INDEPENDENT_OF_PROVIDER)
        ]
        late = [f"without {self.victim}: not recovered"] if self.recovery is None else []
        return [*unexpected, *late, *(f"without {self.victim}: {text}" for text in self.unreported)]

    @property
    def _allowed(self) -> frozenset[str]:
        if self.victim in ALLOWED:
            return ALLOWED[self.victim]
        return ALLOWED_IN_STATES["provider" if self._provider else "database"]

    @property
    def _provider(self) -> bool:
        return self.victim == "sandbox" or "provider" in self.victim

    def __str__(self) -> str:
        after = (
            "not recovered" if self.recovery is None else f"recovered after {self.recovery:.1f} s"
        )
        return "\n".join([f"without {self.victim}; {after}", *table(self.during)])


@dataclass(slots=True)
class Report:
    outages: list[Outage] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(finding.violations for finding in self.findings)

    def __str__(self) -> str:
        outages = [f"{outage}\n" for outage in self.outages]
        return "\n".join(
            [*outages, *books.lines(self.findings), "ALL HOLDS" if self.holds else "BROKEN"]
        )


@dataclass(slots=True)
class RestartableCollector:
    """A collector of traces that can stop and start again on the same port."""

    port: int
    spans: Collector = field(default_factory=Collector)
    _server: grpc.aio.Server | None = None
    _before: int = 0

    async def start(self) -> None:
        self._server = grpc.aio.server()
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self.spans, self._server)  # type: ignore[no-untyped-call]  # generated so
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._before = len(self.spans.received)
        await self._server.start()

    async def receives_again(self) -> bool:
        """Wait for a span since the restart; False if none arrives."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SPANS_WITHIN):
                while len(self.spans.received) == self._before:
                    await asyncio.sleep(POLL_INTERVAL)
        return len(self.spans.received) > self._before

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)


async def run(
    fleet: Fleet,
    seconds: float,
    seed: int = 1,
    say: Say = lambda text: None,
    *,
    within: float = RECOVERED_WITHIN,
    only: Callable[[str], bool] = lambda state: True,
) -> Report:
    """Run every outage for that many seconds, on a fleet that sends traces.

    The platform must recover within `within` seconds. `only` selects the states to try after the outages.
    """
    report = Report()
    async with AsyncExitStack() as stack:
        collector = RestartableCollector(fleet.collector_port)
        await collector.start()
        stack.push_async_callback(collector.stop)
        load = await Load.prepare(fleet, Rates(), seed)
        await load.start()
        stack.push_async_callback(load.stop_following)
        await asyncio.sleep(WARM_UP)
        for name in ("redis", "postgres", "sandbox"):
            process = fleet.dependencies[name]
            outage = await _without(
                load, name, process.shut_down, process.start_again, seconds, within
            )
            report.outages.append(outage)
            say(f"{report.outages[-1]}\n")
        report.outages.append(
            await _without(load, "collector", collector.stop, collector.start, seconds, within)
        )
        say(f"{report.outages[-1]}\n")
        async with states.every(fleet, say) as all_states:
            for state in (one for one in all_states if only(one.name)):
                outage = await _without(
                    load, state.name, state.begin, state.end, seconds, within, state.unreported
                )
                report.outages.append(outage)
                say(f"{outage}\n")
        spans_received = await collector.receives_again()
        await load.end(PATIENCE)
        report.findings = [
            Finding(
                "failures had allowed codes, and the platform recovered",
                len(report.outages),
                [fault for outage in report.outages for fault in outage.faults],
            ),
            *await books.close_books(load),
            Finding(
                "spans reach the collector again after its outage",
                1,
                [] if spans_received else ["none arrived"],
            ),
            _unexpected_errors(fleet),
        ]
    return report


async def _without(
    load: Load,
    victim: str,
    begin: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
    seconds: float,
    within: float,
    unreported_now: Callable[[], Awaitable[Sequence[str]]] | None = None,
) -> Outage:
    began = time.monotonic()
    await begin()
    await asyncio.sleep(seconds)
    unreported: Sequence[str] = ()
    if unreported_now is not None:
        until = time.monotonic() + max(within, REPORTED_WITHIN)
        while (unreported := await unreported_now()) and time.monotonic() < until:
            await asyncio.sleep(POLL_INTERVAL)
    await end()
    ended = time.monotonic()
    while (now := time.monotonic()) < ended + within:
        bad = [one.at for one in load.log.between(ended) if not one.good]
        last = max(bad, default=ended)
        if now - last >= QUIET_SECONDS:
            return Outage(victim, load.log.between(began), last - ended, unreported)
        await asyncio.sleep(POLL_INTERVAL)
    return Outage(victim, load.log.between(began), None, unreported)


def _unexpected_errors(fleet: Fleet) -> Finding:
    replicas = [replica for some in fleet.replicas.values() for replica in some]
    exits = [
        f"{replica.name} exited unexpectedly"
        for replica in replicas
        if replica.supervised.unexpected_exits
    ]
    return Finding(
        "no process exited or logged an unexpected error",
        len(replicas),
        exits + fleet.machine.log.errors,
    )

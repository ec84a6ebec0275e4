"""One chaos run: callbacks about data use through the real processes, while the summing worker is killed."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import asyncpg

from sandbox.settings import Settings as SandboxSettings
from sandbox.switches import Switches
from tests.chaos.callbacks.events import Callback
from tests.chaos.callbacks.killer import END_CONNECTIONS, kill_points
from tests.chaos.callbacks.scenario import create_scenario
from tests.chaos.callbacks.sender import CallbackSender, send
from tests.chaos.callbacks.slow_postgres import delayed
from tests.chaos.callbacks.testbed import Testbed
from tests.chaos.usage import audit
from tests.chaos.usage.events import esims_for, generate

SERVICE = "tests.chaos.usage.esims_service"
# Modules that run in place of it, each with a fault.
MUTANTS = {"late_watermark": "tests.chaos.usage.late_watermark"}
DATABASE = "usage"
ZONE = "Asia/Kolkata"
SETTINGS = {
    "WEBHOOKS_DEDUPE_SECONDS": "43200",
    "ESIMS_READ_WAIT": "30",
    "REPORTING_TIME_ZONE": ZONE,
}
# Milliseconds added to each trip to the database, so that transactions last and kills hit them.
DELAY = 4.0
# Seconds without progress after which missing samples count as lost.
STALLED = 120.0
# Minimum seconds between two kills: the process must be at work when it is killed.
MIN_PAUSE = 0.5
# One of three kills ends connections at the server, where a commit may still succeed.
VICTIMS = ("process", "process", "connections")


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run; `rate` in callbacks a second, `mutant` the name of a fault."""

    events: int
    kills: int
    seed: int
    rate: float = 100
    mutant: str = ""


@dataclass(slots=True)
class Outcome:
    """The results; `faults` must be empty."""

    faults: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    counts: Sequence[tuple[str, str]] = ()


async def chaos(plan: Plan, *, durable: bool = True) -> Outcome:
    """Run the plan in a new database, and audit the samples and their sums."""
    provider = SandboxSettings(
        port=0, seed=plan.seed, balance=Decimal(10**9), switches=Switches(tokens_per_second=0)
    )
    testbed = await Testbed.open(provider, durable=durable)
    try:
        return await _run(testbed, plan)
    finally:
        await testbed.close()


async def _run(testbed: Testbed, plan: Plan) -> Outcome:
    rng = random.Random(plan.seed)
    await testbed.make_database(DATABASE)
    await testbed.start(("catalogue", "esims", "orders"), DATABASE, settings=SETTINGS)
    scenario = await create_scenario(testbed, DATABASE, esims_for(plan.events), 0)
    await testbed.stop()
    workload = generate(scenario.esims, plan.events, rng)
    async with delayed(testbed.socket_folder, DELAY) as socket:
        await testbed.start(
            ("esims", "webhooks"),
            DATABASE,
            settings=SETTINGS,
            socket_folder=socket,
            modules={"esims": MUTANTS.get(plan.mutant, SERVICE)},
        )
        admin = await asyncpg.connect(testbed.url(DATABASE))
        try:
            outcome = await _send_and_kill(testbed, plan, workload.bodies, rng)
            if unfinished := await audit.settled(admin, workload, STALLED):
                outcome.faults.append(unfinished)
            outcome.faults += await audit.faults(admin, workload, ZONE)
            outcome.counts = await audit.counts(admin, ZONE)
        finally:
            await admin.close()
            await testbed.stop()
    return outcome


async def _send_and_kill(
    testbed: Testbed, plan: Plan, bodies: Sequence[bytes], rng: random.Random
) -> Outcome:
    outcome, sent, more = Outcome(), 0, asyncio.Event()
    clock = asyncio.get_running_loop().time
    begun = clock()
    url = f"http://{testbed.address('webhooks')}/webhooks/esim-go"
    sender = CallbackSender(url, testbed.sandbox.world.settings.api_key, testbed.http)

    def progress(number: int) -> None:
        nonlocal sent
        sent = number
        more.set()

    async def kill_all() -> None:
        for number, kill_point in enumerate(kill_points(plan.events, plan.kills, rng)):
            while sent < kill_point:
                more.clear()
                await more.wait()
            victim = VICTIMS[number % len(VICTIMS)]
            await _kill(testbed, victim)
            outcome.kills[victim] += 1
            await asyncio.sleep(MIN_PAUSE)

    async with asyncio.TaskGroup() as group:
        group.create_task(kill_all())
        callbacks = [Callback(body) for body in bodies]
        await send(sender, callbacks, rate=plan.rate, seed=plan.seed, progress=progress)
    outcome.seconds = clock() - begun
    return outcome


async def _kill(testbed: Testbed, victim: str) -> None:
    """Kill the process, or end its connections, as soon as samples wait to be summed."""
    process = testbed.processes["esims"]
    admin = await asyncpg.connect(testbed.url(DATABASE))
    try:
        while True:
            await process.ready.wait()
            # A worker without work would lose nothing.
            if await admin.fetchval(audit.UNSUMMED):
                killed = (
                    process.kill()
                    if victim == "process"
                    else await admin.fetchval(END_CONNECTIONS, "esims_service")
                )
                if killed:
                    return
            await asyncio.sleep(0.01)
    finally:
        await admin.close()

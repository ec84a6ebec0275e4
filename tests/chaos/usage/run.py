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
from tests.chaos.callbacks.killer import END_CONNECTIONS, moments
from tests.chaos.callbacks.sender import Post, send
from tests.chaos.callbacks.slow_postgres import delayed
from tests.chaos.callbacks.stage import Stage
from tests.chaos.callbacks.subjects import gather_cast
from tests.chaos.usage import audit
from tests.chaos.usage.events import subjects_for, write

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
# Seconds without progress after which what is missing counts as lost.
STALLED = 120.0
# Minimum seconds between two kills: the process must be at work when it is killed.
APART = 0.5
# Of three strikes, one ends connections at the server: there, a commit may still succeed.
STRIKES = ("process", "process", "connections")


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
    """Run it in a new database, and audit the samples and their sums."""
    rich = SandboxSettings(
        port=0, seed=plan.seed, balance=Decimal(10**9), switches=Switches(tokens_per_second=0)
    )
    stage = await Stage.open(rich, durable=durable)
    try:
        return await _run(stage, plan)
    finally:
        await stage.close()


async def _run(stage: Stage, plan: Plan) -> Outcome:
    chance = random.Random(plan.seed)
    await stage.make_database(DATABASE)
    await stage.run(("catalogue", "esims", "orders"), DATABASE, settings=SETTINGS)
    cast = await gather_cast(stage, DATABASE, subjects_for(plan.events), 0)
    await stage.halt()
    script = write(cast.esims, plan.events, chance)
    async with delayed(stage.socket_folder, DELAY) as socket:
        await stage.run(
            ("esims", "webhooks"),
            DATABASE,
            settings=SETTINGS,
            socket_folder=socket,
            instead={"esims": MUTANTS.get(plan.mutant, SERVICE)},
        )
        admin = await asyncpg.connect(stage.url(DATABASE))
        try:
            outcome = await _strike_and_send(stage, plan, script.bodies, chance)
            if left := await audit.settled(admin, script, STALLED):
                outcome.faults.append(left)
            outcome.faults += await audit.faults(admin, script, ZONE)
            outcome.counts = await audit.counts(admin, ZONE)
        finally:
            await admin.close()
            await stage.halt()
    return outcome


async def _strike_and_send(
    stage: Stage, plan: Plan, bodies: Sequence[bytes], chance: random.Random
) -> Outcome:
    outcome, sent, more = Outcome(), 0, asyncio.Event()
    clock = asyncio.get_running_loop().time
    begun = clock()
    url = f"http://{stage.address('webhooks')}/webhooks/esim-go"
    post = Post(url, stage.sandbox.world.settings.api_key, stage.http)

    def progress(number: int) -> None:
        nonlocal sent
        sent = number
        more.set()

    async def strike() -> None:
        for number, moment in enumerate(moments(plan.events, plan.kills, chance)):
            while sent < moment:
                more.clear()
                await more.wait()
            what = STRIKES[number % len(STRIKES)]
            await _kill(stage, what)
            outcome.kills[what] += 1
            await asyncio.sleep(APART)

    async with asyncio.TaskGroup() as group:
        group.create_task(strike())
        callbacks = [Callback(body) for body in bodies]
        await send(post, callbacks, rate=plan.rate, seed=plan.seed, progress=progress)
    outcome.seconds = clock() - begun
    return outcome


async def _kill(stage: Stage, what: str) -> None:
    """Kill the process, or end its connections, as soon as samples wait to be summed."""
    kept = stage.processes["esims"]
    admin = await asyncpg.connect(stage.url(DATABASE))
    try:
        while True:
            await kept.ready.wait()
            # A worker that has nothing to do loses nothing.
            if await admin.fetchval(audit.UNSUMMED):
                killed = (
                    kept.kill()
                    if what == "process"
                    else await admin.fetchval(END_CONNECTIONS, "esims_service")
                )
                if killed:
                    return
            await asyncio.sleep(0.01)
    finally:
        await admin.close()

"""Operation of `esimgo doctor`: checks everything that a start needs."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from cli.config import local_secrets, variables
from cli.config.environment import complete
from cli.config.processes import PROCESSES
from cli.config.settings import ROOT, LocalSettings, merged
from cli.doctor import catalogue, machine, neighbours, payments, rates
from cli.doctor.finding import Finding
from cli.errors import CommandError
from cli.local import home, postgres
from kit.values.env import Env

[CATALOGUE] = [process for process in PROCESSES if process.name == "catalogue"]
[ORDERS] = [process for process in PROCESSES if process.name == "orders"]


async def examine() -> AsyncIterator[Finding]:
    """Yield the findings; with wrong settings only those about the machine."""
    yield machine.python()
    yield machine.packages(ROOT / "requirements.lock")
    for name in variables.in_use():
        yield Finding(str(name), f"rename it to {name.nearest}, or remove it")
    values = merged()
    env = Env(values)
    settings = LocalSettings.read(env, values)
    if env.problems:
        for problem in env.problems:
            yield Finding(problem, "correct it in the environment or in .env")
        return
    try:
        secrets = local_secrets.load(settings.home)
        local = await asyncio.to_thread(postgres.find, settings.home)
    except (OSError, RuntimeError, local_secrets.SecretsError, CommandError) as error:
        yield Finding(str(error), f"repair or move away the files in {settings.home}")
        return
    folder = str(local.socket_folder if local else settings.home)
    async for finding in _parts(settings, local, complete(settings, secrets, folder)):
        yield finding


async def _parts(
    settings: LocalSettings, local: postgres.LocalPostgres | None, values: dict[str, str]
) -> AsyncIterator[Finding]:
    for finding in machine.processes(values):
        yield finding
    yield machine.pages(values)
    yield payments.chosen(settings, values)
    running = home.in_use(settings.home)
    async with aiohttp.ClientSession() as http:
        if not running:
            for finding in machine.free_ports(settings):
                yield finding
        yield await neighbours.database(settings, local, running=running)
        # The emulator and the sandbox answer only while `esimgo up` runs.
        if settings.real_supabase or running:
            for finding in await neighbours.auth(http, values):
                yield finding
        if settings.real_provider or running:
            for finding in await neighbours.provider(http, values):
                yield finding
        # The payment sandbox answers only while `esimgo up` runs.
        if payments.required(values) and (not settings.payments_sandbox or running):
            for finding in await payments.stripe(http, values):
                yield finding
        if redis_url := values.get("REDIS_URL"):
            yield await neighbours.cache(redis_url)
        if running:
            for finding in await neighbours.processes(http, settings):
                yield finding
            address = settings.address(CATALOGUE.port)
            for finding in await catalogue.last_sync(address, settings.tls, values):
                yield finding
            for finding in await rates.exchange_rates(address, settings.tls, values):
                yield finding
            if payments.required(values):
                address = settings.address(ORDERS.port)
                for finding in await payments.waiting(address, settings.tls, values):
                    yield finding
        else:
            yield Finding("nothing is running: start it with `make up`")

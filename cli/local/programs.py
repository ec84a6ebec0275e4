"""Every program that `esimgo up` may start: how it is called, what it is told, how it shows readiness."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import aiohttp

from cli.config.environment import surroundings
from cli.config.processes import PROCESSES, Process
from cli.config.settings import LocalSettings
from cli.local import probes
from cli.local.supervisor import Program

Values = Mapping[str, str]


def migration(settings: LocalSettings, values: Values, *arguments: str) -> Program:
    """Ends by itself: brings the database up to date, or with "seed" adds the sample data."""
    return Program(
        name="migrate",
        command=_python("migrations", *arguments),
        environment=surroundings(settings.values) | dict(values),
        ready=_at_once,
    )


def sandboxes(
    settings: LocalSettings, values: Values, http: aiohttp.ClientSession
) -> list[Program]:
    """The stand-ins for whatever isn't real."""
    programs = []
    if not settings.real_supabase:
        programs.append(_auth(settings, values, http))
    if not settings.real_provider:
        programs.append(_sandbox(settings, http))
    return programs


def platform(settings: LocalSettings, values: Values, http: aiohttp.ClientSession) -> list[Program]:
    """The platform's own processes, in the order of their start."""
    return [
        Program(
            name=process.name,
            command=_python(process.module),
            environment=surroundings(settings.values) | process.environment(values),
            ready=_probe(process, settings, http),
        )
        for process in PROCESSES
    ]


def _auth(settings: LocalSettings, values: Values, http: aiohttp.ClientSession) -> Program:
    return Program(
        name="auth",
        command=_python(
            "sandbox.auth",
            *("--port", str(settings.ports["SANDBOX_AUTH_PORT"])),
            *("--state", str(settings.home / "auth.sqlite3")),
        ),
        # By the environment: anybody on the machine may read a command line.
        environment=surroundings(settings.values)
        | {name: values[name] for name in ("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY")},
        ready=partial(probes.http, http, f"{values['SUPABASE_URL']}/auth/v1/health"),
    )


def _sandbox(settings: LocalSettings, http: aiohttp.ClientSession) -> Program:
    address = settings.address("SANDBOX_PORT")
    options = ["--port", str(settings.ports["SANDBOX_PORT"])]
    options += ["--state", str(settings.home / "sandbox.sqlite3")]
    options += ["--callback-url", callback_url(settings)]
    if settings.sandbox_catalogue is not None:
        options += ["--catalogue", str(settings.sandbox_catalogue)]
    return Program(
        name="sandbox",
        command=_python("sandbox", *options),
        environment=surroundings(settings.values),
        ready=partial(probes.http, http, f"http://{address}/openapi.json"),
    )


def callback_url(settings: LocalSettings) -> str:
    """Where the webhook process takes callbacks in."""
    return f"http://{settings.address('WEBHOOKS_PORT')}/webhooks/esim-go"


def _probe(
    process: Process, settings: LocalSettings, http: aiohttp.ClientSession
) -> Callable[[], Awaitable[bool]]:
    address = settings.address(process.port)
    if process.speaks == "grpc":
        return partial(probes.rpc, address, settings.tls)
    return partial(probes.http, http, f"http://{address}/healthz")


async def _at_once() -> bool:
    return True


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)

"""The programs that `esimgo up` starts: command, environment and readiness probe of each."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import aiohttp

from cli.config.environment import PAYMENTS_KEY, PAYMENTS_WEBHOOK_SECRET, surroundings
from cli.config.processes import PROCESSES, Process
from cli.config.settings import LocalSettings
from cli.local import probes
from cli.local.supervisor import Program

Values = Mapping[str, str]


def migration(settings: LocalSettings, values: Values, *arguments: str) -> Program:
    """Return the program that migrates the database, or with "seed" adds the sample data, and ends."""
    return Program(
        name="migrate",
        command=_python("migrations", *arguments),
        environment=surroundings(settings.values) | dict(values),
        ready=_always_ready,
    )


def sandboxes(
    settings: LocalSettings, values: Values, http: aiohttp.ClientSession
) -> list[Program]:
    """Return the stand-ins for Supabase Auth, the provider and Stripe, as far as they are needed."""
    programs = []
    if not settings.real_supabase:
        programs.append(_auth(settings, values, http))
    if not settings.real_provider:
        programs.append(_sandbox(settings, http))
    if settings.payments_sandbox:
        programs.append(_payments(settings, http))
    return programs


def platform(settings: LocalSettings, values: Values, http: aiohttp.ClientSession) -> list[Program]:
    """Return the platform's processes in the order in which they start."""
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
        # In the environment, as every user of the machine can read command lines.
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


def _payments(settings: LocalSettings, http: aiohttp.ClientSession) -> Program:
    return Program(
        name="payments",
        command=_python("sandbox.payments"),
        environment=surroundings(settings.values)
        | {
            "SANDBOX_PAYMENTS_PORT": str(settings.ports["SANDBOX_PAYMENTS_PORT"]),
            "SANDBOX_PAYMENTS_SECRET_KEY": PAYMENTS_KEY,
            "SANDBOX_PAYMENTS_WEBHOOK_SECRET": PAYMENTS_WEBHOOK_SECRET,
            "SANDBOX_PAYMENTS_WEBHOOK_URL": (
                f"http://{settings.address('WEBHOOKS_PORT')}/webhooks/stripe"
            ),
        },
        ready=partial(
            probes.http, http, f"http://{settings.address('SANDBOX_PAYMENTS_PORT')}/healthz"
        ),
    )


def callback_url(settings: LocalSettings) -> str:
    """Return the URL at which the webhook process receives callbacks."""
    return f"http://{settings.address('WEBHOOKS_PORT')}/webhooks/esim-go"


def _probe(
    process: Process, settings: LocalSettings, http: aiohttp.ClientSession
) -> Callable[[], Awaitable[bool]]:
    address = settings.address(process.port)
    if process.speaks == "grpc":
        return partial(probes.rpc, address, settings.tls)
    return partial(probes.http, http, f"http://{address}/healthz")


async def _always_ready() -> bool:
    return True


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)

"""Checks of the database, the auth server, the provider, Redis and the platform's processes."""

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import redis.asyncio

from cli.config.processes import PROCESSES
from cli.config.settings import LocalSettings
from cli.doctor.finding import Finding
from cli.local import probes
from cli.local.postgres import LocalPostgres
from kit.cache import redis_errors, redis_settings
from kit.db import errors as db_errors
from kit.db import health as db_health
from kit.logs import log
from migrations import runner
from providers.esim_go import health as provider_health
from providers.esim_go.limits import retry_after

# Seconds for one call.
TIMEOUT = 10
# Seconds that clocks may differ: a token issued further in the future is refused.
CLOCK_TOLERANCE = 10
# Seconds. An ordinary rate limit of the provider pauses calls for about a second.
LONG_PAUSE = 10.0
# Written to Redis for a millisecond; no process reads it.
TRIAL_KEY = "esimgo:doctor:trial"
FREE_SPACE = "free disk space on the machine of the database"
REAL_PROVIDER = "https://api.esim-go.com/v2.5"


async def database(
    settings: LocalSettings, local: LocalPostgres | None, *, running: bool
) -> Finding:
    """Check that the database answers, is migrated and accepts writes; the bundled one may be stopped."""
    if settings.database_url is None:
        if local is None:
            return Finding("no database yet: the first `make up` creates it")
        if not await local.answers():
            text = f"the PostgreSQL in {local.data} is not running"
            return Finding(text, "see its log lines in `make up`") if running else Finding(text)
        url = f"postgresql://postgres@/postgres?host={local.socket_folder}"
    else:
        url = settings.database_url
    try:
        async with asyncio.timeout(TIMEOUT):
            missing = await runner.pending(url)
            if not missing:
                await runner.try_write(url)
    except runner.UnreachableError as error:
        text = log.redact(str(error), [url])
        if "No space left" in text:  # of the operating system, before a session begins
            return Finding(text, FREE_SPACE)
        return Finding(
            text, "check host, login and password in DATABASE_URL, and that the server is running"
        )
    except Exception as error:  # noqa: BLE001 - any error is the finding
        text = log.redact(f"{type(error).__name__}: {error}", [url])
        if (reason := db_errors.reason_of(error)) is not None:
            return Finding(
                f"the database does not accept writes: {reason}: {text}",
                "for the causes see docs/runbooks/alerts.md, DatabaseTakesNoWrites",
            )
        return Finding(
            f"the database can't be read: {text}",
            "check that the login in DATABASE_URL may read the schema migrations, and run `make migrate`",
        )
    if missing:
        return Finding(f"the database lacks {', '.join(missing)}", "run `make migrate`")
    return Finding("the database answers and is up to date")


async def auth(http: aiohttp.ClientSession, values: Mapping[str, str]) -> list[Finding]:
    """Check that the auth server answers, accepts both keys, and that the clocks agree."""
    url = values["SUPABASE_URL"].rstrip("/")
    found = []
    date = None
    for name, path in (
        ("SUPABASE_ANON_KEY", "/auth/v1/settings"),
        ("SUPABASE_SERVICE_ROLE_KEY", "/auth/v1/admin/users?page=1&per_page=1"),
    ):
        key = values[name]
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        status, answered = await get(http, url + path, headers)
        date = answered.get("Date")
        if status is None:
            return [
                Finding(
                    f"no auth server answers at {url}",
                    "check SUPABASE_URL and the network; for the emulator run `make up`",
                )
            ]
        if status in (401, 403):
            text = f"{url} refuses {name}"
            found.append(Finding(text, f"copy {name} again from the project's API settings"))
        elif status != 200:
            text = f"{url}{path.split('?')[0]} answers HTTP {status}"
            found.append(Finding(text, "check that SUPABASE_URL is the project's address"))
    return [*(found or [Finding(f"the auth server {url} accepts our keys")]), clock(url, date)]


async def provider(http: aiohttp.ClientSession, values: Mapping[str, str]) -> list[Finding]:
    """Check that the provider answers and accepts the key, and that the clocks agree."""
    url = values.get("ESIM_GO_BASE_URL", REAL_PROVIDER).rstrip("/")
    # The cheapest call without personal data in its response.
    status, headers = await get(
        http, f"{url}/organisation/groups", {"X-API-Key": values["ESIM_GO_API_KEY"]}
    )
    date = headers.get("Date")
    if status is None:
        text = f"the provider does not answer at {url}"
        return [Finding(text, "check ESIM_GO_BASE_URL and the network")]
    if status in (401, 403):
        return [
            Finding(
                f"the provider refuses the key (HTTP {status})",
                "copy the key from its portal to ESIM_GO_API_KEY; if the portal has an allow list"
                " of IP addresses, add the one of this machine",
            )
        ]
    pause = retry_after(headers, datetime.now(UTC), math.inf) or 0.0
    if status == 429 and pause > LONG_PAUSE:
        return [
            Finding(
                f"the provider accepts no calls from this IP address for {pause:.0f} s (HTTP 429,"
                f" Retry-After: {headers.get('Retry-After')})",
                "ask the provider for the reason; services retry every ESIM_GO_MAX_HOLD_SECONDS",
            )
        ]
    if status not in (200, 429):
        text = f"the provider answers HTTP {status} at {url}"
        return [Finding(text, "check ESIM_GO_BASE_URL: it must end with the version, /v2.5")]
    return [Finding(f"the provider {url} accepts our key"), clock(url, date)]


async def cache(url: str) -> Finding:
    """Check that the Redis of REDIS_URL answers and accepts writes."""
    if not redis_settings.fits(url):
        return Finding("REDIS_URL is not the URL of a Redis server", redis_settings.FORM)
    client = redis.asyncio.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
    try:
        if not await client.ping():
            raise ValueError("what answers at its address is no Redis")
        await client.set(TRIAL_KEY, "1", px=1)
    except redis_errors.ERRORS as error:
        what = "accept writes" if isinstance(error, redis.ResponseError) else "answer"
        return Finding(
            f"Redis does not {what}: {log.redact(str(error), [url])}",
            "check REDIS_URL, or remove it: then each process caches in its own memory",
        )
    finally:
        await client.aclose()
    return Finding("Redis answers and accepts writes")


async def processes(http: aiohttp.ClientSession, settings: LocalSettings) -> list[Finding]:
    """Check that each process of the platform answers, while `esimgo up` runs."""
    found = []
    for process in PROCESSES:
        address = settings.address(process.port)
        if process.speaks == "grpc":
            ready = await probes.rpc(address, settings.tls)
        else:
            ready = await probes.http(http, f"http://{address}/readyz")
        if ready:
            found.append(Finding(f"{process.name} answers at {address}"))
            if process.speaks == "grpc":
                found += await _unavailable_parts(process.name, address, settings)
        else:
            text = f"{process.name} does not answer at {address}, or is not ready"
            found.append(Finding(text, "see its log lines in `make up`"))
    for name, port in settings.metrics_ports.items():
        if not await probes.http(http, f"http://127.0.0.1:{port}/healthz"):
            text = f"{name} serves no metrics on port {port}"
            remedy = (
                "stop the process that listens there, or choose another port with"
                f" {name.upper()}_METRICS_PORT"
            )
            found.append(Finding(text, remedy))
    return found


PARTS = {
    provider_health.NAME: (
        "sends no calls to the provider, which failed repeatedly or requested a pause",
        "see `provider circuit is open` or `provider calls are held` in its log; `./esimgo orders"
        " stuck` shows until when; for the causes see docs/runbooks/alerts.md, ProviderAway and"
        " ProviderHeld",
    ),
    db_health.NAME: (
        "reports that its database does not accept writes",
        "see `database does not accept writes` in its log; for the steps see docs/runbooks/alerts.md,"
        " DatabaseTakesNoWrites",
    ),
}


async def _unavailable_parts(name: str, address: str, settings: LocalSettings) -> list[Finding]:
    """Report parts that a service, which itself answers, can't use now."""
    return [
        Finding(f"{name} {wrong}", remedy)
        for part, (wrong, remedy) in PARTS.items()
        if not await probes.rpc(address, settings.tls, part)
    ]


def clock(url: str, date: str | None, now: datetime | None = None) -> Finding:
    """Compare this machine's clock with the Date header of a response of `url`."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return Finding(f"{url} sends no Date header: the clock can't be compared")
    apart = ((now or datetime.now(UTC)) - theirs.astimezone(UTC)).total_seconds()
    if abs(apart) <= CLOCK_TOLERANCE:
        return Finding(f"the clock agrees with {url}")
    return Finding(
        f"this machine's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} {url}",
        "set the clock (timedatectl set-ntp true): tokens are refused until then",
    )


async def get(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> tuple[int | None, Mapping[str, str]]:
    """Return status and headers; the status is None if the server does not answer."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        # A redirect would take the keys elsewhere, and the services follow none either.
        async with http.get(url, headers=headers, timeout=timeout, allow_redirects=False) as answer:
            return answer.status, answer.headers
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None, {}

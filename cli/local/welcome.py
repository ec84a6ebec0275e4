"""Addresses, tokens and commands to try, which `esimgo up` prints when everything is ready."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from cli.auth import sessions
from cli.config.settings import LocalSettings
from cli.errors import CommandError
from cli.local.console import OWN_NAME, Console
from cli.local.programs import callback_url
from kit.net import bounded_body

CUSTOMER = "customer@example.com"
ADMIN = "admin@example.com"
FEATURED = "{ featuredPlans { id name price } }"
# Seconds between two queries while the first sync of the catalogue runs.
POLL_INTERVAL = 0.25
# Seconds after which an empty catalogue is reported; the sandbox's takes one or two.
REPORT_AFTER = 15.0
# Where the payment page leads back to: examples/shop.
RETURN_URL = "http://localhost:5173"
HOW_TO_PAY = """\
  The second command answers with a redirectUrl. Open it and pay with the card 4242 4242 4242 4242, any
  month to come and any code; the third command then lists the eSIM. 4000 0000 0000 0002 is declined,
  and 4000 0000 0000 3220 needs a confirmation. The page leads back to examples/shop, if it runs.
  docs/payments.md describes refunds, wallets and reviews."""
# Bytes of a response of the gateway.
MAX_BYTES = 1024 * 1024
JSON = '-H "Content-Type: application/json"'


async def show(
    settings: LocalSettings,
    values: Mapping[str, str],
    http: aiohttp.ClientSession,
    console: Console,
    started: float,
) -> None:
    """Wait until plans are on sale, then print everything; `started` is a time of time.monotonic."""
    url = f"http://localhost:{settings.ports['GATEWAY_PORT']}/graphql"
    plan = await first_plan(http, url, console)
    console.say(OWN_NAME, f"ready in {time.monotonic() - started:.1f} s")
    if settings.real_supabase:
        lines = (
            "  To get a token; it prompts for the password:\nTOKEN=$(./esimgo token --email"
            " YOU@YOUR.DOMAIN --password)"
        )
    else:
        lines = await tokens(http, values["SUPABASE_URL"])
    blocks = [_addresses(settings, values, url), lines]
    if values.get("PAYMENTS", "").lower() == "required":
        blocks += [commands(url, plan, paid=True), HOW_TO_PAY]
    else:
        blocks.append(commands(url, plan))
    console.show("\n" + "\n\n".join(blocks) + "\n")


async def tokens(http: aiohttp.ClientSession, auth: str) -> str:
    """Return shell assignments of tokens for a customer and an administrator, issued by the emulator."""
    try:
        customer = await sessions.mint(http, auth, CUSTOMER)
        admin = await sessions.mint(http, auth, ADMIN, role="admin")
    except CommandError as error:
        return f"  No tokens available: {error}"
    return (
        f"  Tokens of {CUSTOMER} and {ADMIN}, valid for an hour; get new ones with ./esimgo token"
        f" --email YOU@EXAMPLE.COM [--role admin]\nTOKEN={customer}\nADMIN_TOKEN={admin}"
    )


def _addresses(settings: LocalSettings, values: Mapping[str, str], url: str) -> str:
    grpc = ", ".join(
        f"{name} {settings.address(f'{name.upper()}_PORT')}"
        for name in ("catalogue", "orders", "esims")
    )
    metrics = ", ".join(f"{name} :{port}/metrics" for name, port in settings.metrics_ports.items())
    sandbox = "" if settings.real_provider else " (the sandbox; its admin API: /_control)"
    payments = []
    if settings.payments_sandbox:
        address = values["STRIPE_BASE_URL"]
        payments = [f"  payments           {address} (the sandbox; its admin API: /_control)"]
    emulator = "" if settings.real_supabase else " (the emulator)"
    database = "yours" if settings.database_url else f"PostgreSQL in {settings.home}"
    return "\n".join(
        (
            f"  GraphQL            {url}",
            f"  gRPC               {grpc}",
            f"  callbacks          {callback_url(settings)}",
            f"  metrics            {metrics or 'none'}",
            f"  provider           {values['ESIM_GO_BASE_URL']}{sandbox}"
            if "ESIM_GO_BASE_URL" in values
            else "  provider           eSIM Go",
            *payments,
            f"  SUPABASE_URL       {values['SUPABASE_URL']}{emulator}",
            f"  SUPABASE_ANON_KEY  {values['SUPABASE_ANON_KEY']}",
            f"  database           {database}",
        )
    )


def commands(url: str, plan_id: str, *, paid: bool = False) -> str:
    """Return commands that list plans, buy the given one and list eSIMs; `paid` if customers pay by card."""
    signed_in = f'curl {url} {JSON} -H "Authorization: Bearer $TOKEN"'
    payment = f', payment: {{method: CARD, returnUrl: \\"{RETURN_URL}\\"}}' if paid else ""
    result = "payment { status redirectUrl }" if paid else "esims { iccid activationCode }"
    purchase = (
        f'mutation {{ purchaseESIM(planId: \\"{plan_id}\\", input: {{quantity: 1{payment}}})'
        f" {{ success error order {{ id status {result} }} }} }}"
    )
    return "\n".join(
        (
            "  List plans, buy one, and list your eSIMs:",
            f'curl {url} {JSON} -d \'{{"query":"{{ featuredPlans {{ name price }} }}"}}\'',
            f'{signed_in} -d \'{{"query":"{purchase}"}}\'',
            f'{signed_in} -d \'{{"query":"{{ myESIMs {{ id status }} }}"}}\'',
        )
    )


async def first_plan(http: aiohttp.ClientSession, url: str, console: Console) -> str:
    """Wait for the first featured plans, and return the id of the cheapest."""
    reported = time.monotonic()
    while True:
        plans, problem = await _featured(http, url)
        if plans:
            return str(min(plans, key=lambda plan: float(plan["price"]))["id"])
        if time.monotonic() - reported > REPORT_AFTER:
            console.say(OWN_NAME, f"still waiting for the first plans of the catalogue{problem}")
            reported = time.monotonic()
        await asyncio.sleep(POLL_INTERVAL)


async def _featured(http: aiohttp.ClientSession, url: str) -> tuple[list[dict[str, Any]], str]:
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with http.post(
            url,
            json={"query": FEATURED},
            headers=bounded_body.ACCEPT_ENCODING,
            timeout=timeout,
            auto_decompress=False,
        ) as answer:
            content = json.loads(await bounded_body.read(answer, MAX_BYTES))
        plans = (content.get("data") or {}).get("featuredPlans") or []
        errors = content.get("errors") or []
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return [], f" ({type(error).__name__})"
    return plans, f" ({errors[0].get('message')})" if errors else ""

"""The example shop in a browser, from signing up to a bought eSIM, against `esimgo up`."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from tests.fixtures.chromium import Browser
from tests.fixtures.free_ports import free_ports
from tests.fixtures.one_machine import Starting, Up
from tests.fixtures.patience import PATIENCE

MOST_LINES = 200
SIGN_UP = """
    document.querySelector('[name=email]').value = 'traveler@example.com';
    document.querySelector('[name=password]').value = 'correct horse';
    document.querySelector('[name=up]').click();
"""
FRANCE = """
    const countries = document.querySelector('#countries');
    countries.value = 'FR';
    countries.dispatchEvent(new Event('change'));
"""
FRENCH = "[...document.querySelectorAll('#plans span')].map((one) => one.textContent).join()"
ESIM = "document.querySelector('#esims li')"
MESSAGE = "document.querySelector('#message').textContent"


@asynccontextmanager
async def served(shop: Path, up: Up, http: aiohttp.ClientSession) -> AsyncIterator[str]:
    """Serve the page as its README does, on a free port; yields its address."""
    [port] = free_ports(1)
    anon_key = next(line.split()[1] for line in up.lines if "SUPABASE_ANON_KEY" in line)
    environment = up.environment | {
        "SUPABASE_URL": f"http://127.0.0.1:{up.environment['SANDBOX_AUTH_PORT']}",
        "SUPABASE_ANON_KEY": anon_key,
        "GRAPHQL_URL": f"http://127.0.0.1:{up.environment['GATEWAY_PORT']}/graphql",
        "PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        *(shutil.which("node") or "node", "serve.mjs"),
        cwd=shop,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        output = ""
        while f":{port}" not in output:
            line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
            assert line, f"the page's server ended: {output}"
            output += line
        yield f"http://127.0.0.1:{port}/"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_customer_signs_up_browses_and_buys_in_the_example_shop(
    starting: Starting, shop_example: Path, browser: Browser, http: aiohttp.ClientSession
) -> None:
    lines = [
        (shop_example / name).read_text().count("\n")
        for name in ("index.html", "shop.js", "serve.mjs")
    ]
    assert sum(lines) < MOST_LINES
    async with starting() as up:
        await up.until("myESIMs")
        async with served(shop_example, up, http) as address:
            await browser.visit(address)
            await browser.until("document.querySelectorAll('#countries option').length > 5")
            await browser.until("document.querySelectorAll('#plans li').length > 0")
            await browser.run(f"(() => {{{FRANCE}}})()")
            await browser.until(f"{FRENCH}.includes('France, ')")
            await browser.run("document.querySelector('#plans button').click()")
            assert await browser.until(MESSAGE) == "Sign in first."
            await browser.run(f"(() => {{{SIGN_UP}}})()")
            await browser.until("!document.querySelector('#account').hidden")
            await browser.run("document.querySelector('#plans button').click()")
            shown = await browser.until(f"{ESIM}?.textContent")
            assert any(status in shown for status in ("ASSIGNED", "ACTIVE"))  # some start at once
            assert str(await browser.run(f"{ESIM}.querySelector('img').src")).startswith(
                "data:image/"
            )
            assert await browser.run(MESSAGE) == ""
            assert not [line for line in browser.told if "CORS" in line or "WebSocket" in line]
            await browser.run("document.querySelector('#account button').click()")
            await browser.until("!document.querySelector('#sign-in').hidden")
            await browser.until(f"!{ESIM}")

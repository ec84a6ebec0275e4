"""The example shop in a browser, from signing up to a bought eSIM, against `esimgo up`."""

from pathlib import Path

import aiohttp

from tests.fixtures.browser.chromium import Browser
from tests.fixtures.browser.shop_page import SIGN_UP, served
from tests.fixtures.local.one_machine import Starting

MOST_LINES = 260
CHOOSE = """
    const countries = document.querySelector('#countries');
    countries.value = '%s';
    countries.dispatchEvent(new Event('change'));
"""
# The page gets the next answer when `release` is called.
DELAY = """
    const send = window.fetch;
    window.fetch = async (...request) => {
        window.fetch = send;
        const answer = await send(...request);
        await new Promise((resolve) => { window.release = resolve; });
        return answer;
    };
"""
DAMAGE = """
    const name = Object.keys(localStorage).find((name) => name.includes('auth-token'));
    const session = JSON.parse(localStorage[name]);
    session.access_token = session.access_token.replace(/[^.]+$/, (text) => [...text].reverse().join(''));
    localStorage[name] = JSON.stringify(session);
"""
PLANS = "[...document.querySelectorAll('#plans span')].map((one) => one.textContent).join()"
ESIM = "document.querySelector('#esims li')"
MESSAGE = "document.querySelector('#message').textContent"


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
            # The answer about the first country comes after that about the second.
            await browser.run(f"(() => {{{DELAY + CHOOSE % 'ES'}}})()")
            await browser.until("window.release")
            await browser.run(f"(() => {{{CHOOSE % 'FR'}}})()")
            await browser.until(f"{PLANS}.includes('France, ')")
            await browser.run("(async () => { release(); await (await fetch('/')).text(); })()")
            assert "France, " in str(await browser.run(PLANS))
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
            assert not [line for line in browser.messages if "CORS" in line or "WebSocket" in line]
            await browser.run("document.querySelector('#account button').click()")
            await browser.until("!document.querySelector('#sign-in').hidden")
            await browser.until(f"!{ESIM}")
            # A session that is not valid any more, as after the account was deleted, hides no plans.
            await browser.run(f"(() => {{{SIGN_UP.replace('traveler', 'another')}}})()")
            await browser.until("!document.querySelector('#account').hidden")
            await browser.run(f"(() => {{{DAMAGE}}})()")
            await browser.visit(address)
            await browser.until("document.querySelectorAll('#plans li').length > 0")
            await browser.until("!document.querySelector('#sign-in').hidden")

"""The example shop where customers pay: in a browser, with a test card, on the payment sandbox's page."""

from pathlib import Path

import aiohttp

from tests.fixtures.browser.chromium import Browser
from tests.fixtures.browser.shop_page import SIGN_UP, served
from tests.fixtures.local.command import esimgo
from tests.fixtures.local.one_machine import Starting
from tests.fixtures.patience import until

MESSAGE = "document.querySelector('#message').textContent"
ESIM = "document.querySelector('#esims li')"
ORDER = "document.querySelector('#orders li')"
BUY = "document.querySelector('#plans button').click()"
UNKNOWN_COUNTRY = """
    const countries = document.querySelector('#countries');
    countries.append(new Option('Atlantis', 'Atlantis', true, true));
    countries.dispatchEvent(new Event('change'));
"""
# The next answer to `resumePayment` has no address, as while the payment's event is still to come.
NO_PAGE = """
    const send = window.fetch;
    window.fetch = async (address, options) => {
        if (!`${options?.body}`.includes('resumePayment')) return send(address, options);
        window.fetch = send;
        window.answered = true;
        return Response.json({ data: { resumePayment: { error: null, payment: { redirectUrl: null } } } });
    };
"""


def card(number: str) -> str:
    """Fill in the payment page, and pay."""
    return f"""
        for (const [name, value] of Object.entries({{
            email: 'traveler@example.com', number: '{number}', expiry: '12 / 34', cvc: '123',
        }})) {{ const input = document.querySelector(`[name=${{name}}]`); if (input) input.value = value; }}
        document.querySelector('form button').click();
    """


async def test_a_customer_pays_by_card_gets_the_esim_and_its_money_back(
    starting: Starting,
    one_machine: dict[str, str],
    shop_example: Path,
    browser: Browser,
    http: aiohttp.ClientSession,
) -> None:
    one_machine["PAYMENTS"] = "required"
    async with starting() as up:
        await up.until("docs/payments.md")
        async with served(shop_example, up, http) as address:
            await browser.visit(address)
            await browser.until("document.querySelectorAll('#plans li').length > 0")
            await browser.run(f"(() => {{{SIGN_UP}}})()")
            await browser.until("!document.querySelector('#account').hidden")

            # The page of the payment provider; a declined card buys nothing.
            await browser.leave(BUY)
            assert "/c/pay/" in str(await browser.run("location.href"))
            await browser.leave(f"(() => {{{card('4000000000000002')}}})()")
            assert "declined" in await browser.until(
                "document.querySelector('[role=alert]').textContent"
            )
            # The customer leaves and comes back: the order waits, and nothing was delivered.
            await browser.visit(address)
            assert await browser.until(f"{ORDER}?.querySelector('button')?.textContent") == "Pay"
            assert not await browser.run(ESIM)

            # While the order waits, the page asks for it again and again; a message stays meanwhile.
            await browser.run(f"(() => {{{UNKNOWN_COUNTRY}}})()")
            problem = await browser.until(MESSAGE)
            asked = len(browser.asked)
            await until(lambda: len(browser.asked) > asked + 4)
            assert await browser.run(MESSAGE) == problem

            # An order that was paid a moment ago has no page to pay on any more.
            await browser.run(f"(() => {{{NO_PAGE}}})(); {ORDER}.querySelector('button').click()")
            await browser.until("window.answered")
            asked = len(browser.asked)
            await until(lambda: len(browser.asked) > asked + 2)
            assert await browser.run("location.href") == address
            assert await browser.until(f"{ORDER}?.querySelector('button')?.textContent") == "Pay"

            await browser.leave(f"{ORDER}.querySelector('button').click()")
            assert "/c/pay/" in str(await browser.run("location.href"))
            await browser.leave(f"(() => {{{card('4242424242424242')}}})()")
            assert str(await browser.run("location.href")).startswith(address)

            await browser.until(f"{ESIM}?.querySelector('button')")
            assert str(await browser.run(f"{ESIM}.querySelector('img').src")).startswith(
                "data:image/png"
            )
            assert not await browser.run(ORDER)
            assert await browser.run(MESSAGE) == ""

            offer = str(await browser.run(f"{ESIM}.querySelector('button').textContent"))
            amount = offer.removeprefix("Get ").removesuffix(" back")
            await browser.run(f"{ESIM}.querySelector('button').click()")
            shown = await browser.until(
                f"{ESIM}.textContent.includes('refunded') && {ESIM}.textContent"
            )
            assert shown.endswith(f"refunded {amount}")
            assert await browser.run(MESSAGE) == ""
        checked = await esimgo("books", "check", **up.environment)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert checked.stdout.splitlines()[-1].startswith("no difference in 1 orders, 1 payments")
        examined = await esimgo("doctor", **up.environment)
        about = [line for line in examined.stdout.splitlines() if "pay" in line or "books" in line]
        assert all(line.startswith("OK") for line in about), examined.stdout
        assert len(about) >= 3
        assert await up.stop() == 0

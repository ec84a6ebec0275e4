"""A person pays in Chromium: a declined card, then one with 3-D Secure."""

import json

import stripe

from tests.component.sandbox_payments.objects import created
from tests.fixtures.browser.chromium import Browser
from tests.fixtures.payments import PaymentSandbox


async def type_in(browser: Browser, label: str, text: str) -> None:
    """Replace the value of the input with this label, as typing does."""
    await browser.run(
        f"""(() => {{
            const label = [...document.querySelectorAll('label')].find(
                (one) => one.textContent === {json.dumps(label)});
            const input = label.control;
            input.focus(); input.select();
        }})()"""
    )
    await browser.write(text)


async def click(browser: Browser, text: str) -> None:
    """Click the button whose text begins so, which opens a page."""
    await browser.leave(
        f"""[...document.querySelectorAll('button, a')].find(
            (one) => one.textContent.startsWith({json.dumps(text)})).click()"""
    )


async def test_a_person_pays_in_a_browser(
    browser: Browser, client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    done = f"{payment_provider.url}/healthz?session={{CHECKOUT_SESSION_ID}}"
    session = await created(client, success_url=done, cancel_url=f"{payment_provider.url}/healthz")
    await browser.visit(str(session.url))
    await type_in(browser, "E-mail", "a@b.example")
    await type_in(browser, "Card number", "4000000000000002")
    await type_in(browser, "Expiry date", "12/34")
    await type_in(browser, "CVC", "123")
    await click(browser, "Pay 15.00 USD")
    error = await browser.run("document.querySelector('[role=alert]').textContent")
    assert error == "Your card was declined."
    # Everything but the card is still filled in.
    await type_in(browser, "Card number", "4000002760003184")
    await type_in(browser, "CVC", "123")
    await click(browser, "Pay 15.00 USD")
    assert await browser.run("document.title") == "3-D Secure authentication"
    await click(browser, "Complete authentication")
    assert await browser.run("location.href") == done.replace("{CHECKOUT_SESSION_ID}", session.id)
    session = await client.v1.checkout.sessions.retrieve_async(session.id)
    assert session.status == "complete"
    # The answer to the declined card has status 402, which the console logs; nothing else is.
    assert [line for line in browser.messages if "402" not in line and "favicon" not in line] == []

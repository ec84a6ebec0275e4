"""A traveler opens a share link in Chromium with JavaScript switched off."""

import asyncio
import io
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zxingcpp
from PIL import Image

from tests.component.platform.traveling import ASSIGN, company
from tests.fixtures.browser.chromium import Browser
from tests.fixtures.platform import Platform


async def text(browser: Browser) -> str:
    root = (await browser.call("DOM.getDocument"))["root"]
    html = await browser.call("DOM.getOuterHTML", nodeId=root["nodeId"])
    return str(html["outerHTML"])


async def picture(browser: Browser, name: str) -> Image.Image:
    """Return a screenshot. It is also written into the folder PICTURES, for people who want to see it."""
    png = await browser.picture()
    if folder := os.environ.get("PICTURES"):
        await asyncio.to_thread(Path(folder, f"{name}.png").write_bytes, png)
    return Image.open(io.BytesIO(png))


async def test_a_traveler_needs_neither_account_nor_javascript(
    platform: Platform, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    async with company(platform) as acme:
        esim = await acme.buy()
        named = {"name": "Zoë Müller 王小明"}
        await acme.client("owner").ask(ASSIGN, esim=esim["id"], traveler=named)
        made = await acme.share(esim, pin=True)
        await browser.call("Emulation.setScriptExecutionDisabled", value=True)
        await browser.call(
            "Emulation.setDeviceMetricsOverride",
            width=412,
            height=1_500,
            deviceScaleFactor=1,
            mobile=True,
        )
        await browser.visit(f"{platform.client.url}{urlsplit(made['url']).path}")
        await picture(browser, "pin")
        await browser.write("000000" if made["pin"] != "000000" else "000001")
        await browser.click("button")
        assert "This PIN is wrong" in await text(browser)
        await browser.write(made["pin"])
        await browser.click("button")
        shown = await text(browser)
        assert "Zoë Müller 王小明, here is your eSIM" in shown
        (code,) = zxingcpp.read_barcodes(await picture(browser, "code"))
        assert code.text == esim["activationCode"]
        # The policy blocks nothing of the page, and it loads nothing from elsewhere.
        assert [line for line in browser.messages if "403" not in line] == []
        hosts = {urlsplit(url).netloc for url in browser.asked if not url.startswith("data:")}
        assert hosts == {urlsplit(platform.client.url).netloc}
        # Browsers send the form with `Origin: null`, as the page sends no referrer.
        assert not [line for line in caplog.messages if "GATEWAY_CORS_ORIGINS" in line]

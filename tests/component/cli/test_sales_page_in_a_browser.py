"""The page of a month's sales in a real browser: on large and small screens, dark, and on paper."""

import base64
from pathlib import Path
from typing import Any

import pytest

from cli.operators.sales.page import page
from tests.fixtures.browser.chromium import Browser
from tests.unit.cli.operators.sales_months import months

pytestmark = pytest.mark.browser
MONTHS = months()
# Texts of charts that are cut at the frame, elements wider than the page, and tables that are wider than
# their box on this screen.
CUT = """[...document.querySelectorAll('svg[role=img] text')].filter(text => {
    const box = text.getBBox(), frame = text.ownerSVGElement.viewBox.baseVal;
    return box.x < 0 || box.x + box.width > frame.width || box.y + box.height > frame.height;
}).map(text => text.textContent)"""
OVERLAPS = """[...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
    const names = [...svg.querySelectorAll('text[text-anchor=middle]')].map(t => t.getBBox());
    return names.slice(1).filter((box, n) => box.x < names[n].x + names[n].width);
}).length"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SCROLLED = (
    "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
)
COLOR = "getComputedStyle(document.body).backgroundColor"


async def resize(browser: Browser, width: int) -> None:
    await browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )


@pytest.mark.parametrize("name", MONTHS)
async def test_a_page_fits_every_screen(browser: Browser, tmp_path: Path, name: str) -> None:
    file = tmp_path / "sales.html"
    file.write_text(page(MONTHS[name]))
    await resize(browser, 1100)
    await browser.visit(file.as_uri())
    assert await browser.run(CUT) == []
    assert await browser.run(OVERLAPS) == 0
    assert await browser.run(TOO_WIDE) == 0
    # Even the largest amounts need no scrolling on a usual screen, except those of a billion.
    assert name == "large" or await browser.run(SCROLLED) == 0
    for width in (800, 390, 320):
        await resize(browser, width)
        assert await browser.run(TOO_WIDE) == 0
        assert await browser.run(CUT) == []
    assert browser.messages == []
    assert browser.asked == [file.as_uri()]


async def test_a_page_follows_the_color_scheme_except_on_paper(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "sales.html"
    file.write_text(page(MONTHS["currencies"]))
    await browser.visit(file.as_uri())

    async def color(media: str, scheme: str) -> Any:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await browser.call("Emulation.setEmulatedMedia", media=media, features=features)
        return await browser.run(COLOR)

    white = "rgb(255, 255, 255)"
    assert await color("screen", "light") == white
    assert await color("screen", "dark") == "rgb(20, 24, 29)"
    assert await color("print", "dark") == white
    await browser.call("Emulation.setEmulatedMedia", media="", features=[])
    printed = await browser.call("Page.printToPDF", preferCSSPageSize=True)
    document = base64.b64decode(printed["data"])
    assert document.startswith(b"%PDF")
    # Three pages for each currency, and one for amounts without an order.
    assert document.count(b"/Type /Page\n") == 10

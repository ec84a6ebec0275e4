"""Exchange rates of the sandbox's daily file: prices follow them, unless they jump or can't be used."""

import logging
from typing import Any

import pytest

from kit.telemetry.metrics import registry
from services.catalogue.__main__ import serve
from tests.component.catalogue.conftest import OpenShop
from tests.component.catalogue.market import market
from tests.fixtures.patience import until
from tests.fixtures.sandboxes import Serving


async def test_prices_follow_published_rates(open_shop: OpenShop) -> None:
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("USD", "1.10")
        assert await shop.used("USD", "GBP") == ""
        await shop.sell_in_pounds()
        assert (await shop.used("USD", "GBP"), await shop.price()) == ("0.8", "8")
        await shop.publish(GBP="0.91")
        await shop.until(shop.price, "8.28")
        assert await shop.used("USD", "GBP") == "0.827272727273"


async def test_a_rate_that_jumps_is_held_until_it_is_confirmed(open_shop: OpenShop) -> None:
    async with market(open_shop, published_ago=3) as shop:
        await shop.until_used("USD", "1.10")
        await shop.sell_in_pounds()
        for ago, rate in ((2, "1.32"), (1, "1.33")):  # a second day that agrees changes nothing
            await shop.publish(ago, USD=rate)
            await shop.until_held("USD", rate)
            assert (await shop.used("EUR", "USD"), await shop.price()) == ("1.10", "8")
        assert (await shop.set(("EUR", "USD", "1.32"), accept_jump=True)).changed == 1
        assert (await shop.held("EUR", "USD"), await shop.price()) == ("", "6.67")
        # From now on, published rates are compared with the confirmed one.
        await shop.age(5)
        await shop.publish(USD="1.31")
        await shop.until(shop.price, "6.72")


async def test_a_held_rate_is_released_by_a_file_close_to_the_rate_in_use(
    open_shop: OpenShop,
) -> None:
    async with market(open_shop, published_ago=2) as shop:
        await shop.until_used("USD", "1.10")
        await shop.sell_in_pounds()
        await shop.publish(1, USD="11.0")
        await shop.until_held("USD", "11.0")
        await shop.publish(1, USD="1.09")  # the file of the same day is corrected
        await shop.until_used("USD", "1.09")
        assert (await shop.held("EUR", "USD"), await shop.price()) == ("", "8.08")


async def test_a_held_rate_does_not_replace_the_good_one_of_the_same_day(
    open_shop: OpenShop,
) -> None:
    async with market(open_shop, published_ago=2) as shop:
        await shop.until_used("USD", "1.10")
        await shop.sell_in_pounds()
        await shop.publish(1, USD="1.15")
        await shop.until(shop.price, "7.66")
        for wrong in ("11.5", "11.6"):
            await shop.publish(1, USD=wrong)  # the file of the same day is broken
            await shop.until_held("USD", wrong)
            assert (await shop.shop.sync()).error == ""
            assert (await shop.used("EUR", "USD"), await shop.price()) == ("1.15", "7.66")
        await shop.publish(1, USD="1.15")  # and is corrected
        await shop.until_held("USD", "")
        assert (await shop.used("EUR", "USD"), await shop.price()) == ("1.15", "7.66")
        await shop.publish(1, USD="11.6")
        await shop.until_held("USD", "11.6")
        assert await shop.used("EUR", "USD") == "1.15"


async def test_only_rates_that_prices_depend_on_are_marked_as_needed(open_shop: OpenShop) -> None:
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("JPY", "164")
        await shop.sell_in_pounds()
        await shop.publish(JPY="300", USD="1.9")
        await shop.until_held("JPY", "300")
        needed = {(r.base, r.quote, r.held) for r in await shop.rates() if r.needed}
        assert needed == {
            ("USD", "GBP", False),
            ("EUR", "GBP", False),
            ("EUR", "USD", False),
            ("EUR", "USD", True),
        }


def fetches(result: str) -> float:
    name = "esimgo_exchange_rates_fetches_total"
    return registry().get_sample_value(name, {"result": result}) or 0


async def test_a_stale_rate_stays_in_use(open_shop: OpenShop) -> None:
    async with market(open_shop) as shop:
        await shop.until_used("USD", "1.10")
        await shop.sell_in_pounds()
        refused = fetches("failed")
        await shop.publish(5, USD="1.15")
        # The file of before may still be on its way, and be stored after the others became older.
        await until(lambda: fetches("failed") > refused)
        await shop.age(5)
        assert (await shop.shop.sync()).error == ""
        assert await shop.price() == "8"
        assert {r.stale for r in await shop.rates()} == {True}
        await shop.publish(USD="1.12")
        await shop.until(shop.price, "7.86")
        assert {r.stale for r in await shop.rates()} == {False}


UNUSABLE: dict[str, dict[str, Any]] = {
    "not well-formed XML": {"content": "<html>maintenance"},
    "no day of rates": {"content": "<html><p>maintenance</p></html>"},
    "document type": {"content": '<!DOCTYPE x SYSTEM "http://127.0.0.1/"><x/>'},
    "HTTP 503": {"status": 503},
    "HTTP 302": {"status": 302},
    "more than 1000000 bytes": {"rates": {"GBP": "9" * 600_000}},
    "in the future": {"day": "9999-12-31"},
    "over 4 days ago": {"day": "2020-01-02"},
    "not a date": {"day": "yesterday"},
}


async def test_an_unusable_file_changes_nothing_and_is_logged(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="services.catalogue.prices.rate_updates")
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("USD", "1.10")
        await shop.sell_in_pounds()
        before = await shop.rates()
        for problem, change in UNUSABLE.items():
            usable = {
                "content": "",
                "status": 200,
                "rates": {"USD": "1.15", "GBP": "0.88", "JPY": "9" * 500_000},
            }
            await shop.shop.control_sandbox("rates", **{**usable, **change})

            async def logged(text: str = problem) -> str:
                found = any(text in record.getMessage() for record in caplog.records)
                return "logged" if found else ""

            await shop.until(logged, "logged")
            assert (await shop.rates(), await shop.price()) == (before, "8")
        await shop.shop.control_sandbox(
            "rates", content="", status=200, day="today", rates={"JPY": "164", "GBP": "0.88"}
        )
        await shop.until_used("USD", "1.15")


async def test_bad_rows_are_skipped_and_the_others_used(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("USD", "1.10")
        await shop.publish(USD="1.12", GBP="NaN", JPY="0", CHF="-1", QQQ="3", SEK="1e999")
        await shop.until_used("USD", "1.12")
        assert await shop.used("EUR", "GBP") == "0.88"
        assert await shop.used("EUR", "JPY") == "164"
    (line,) = [r.getMessage() for r in caplog.records if "rows can't be used" in r.getMessage()]
    assert "4 rows" in line
    assert "GBP" in line
    assert "QQQ" not in line


async def test_several_replicas_store_a_file_once(open_shop: OpenShop, serving: Serving) -> None:
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("USD", "1.10")
        stored = await shop.count()
        async with serving(serve, shop.shop.settings), serving(serve, shop.shop.settings):
            await shop.sell_in_pounds()
            await shop.publish(USD="1.15")
            await shop.until_used("USD", "1.15")
            await shop.until(shop.price, "7.66")
        assert await shop.count() == 2 * stored

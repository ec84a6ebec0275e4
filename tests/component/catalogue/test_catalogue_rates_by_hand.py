"""Exchange rates set by hand: refused if they jump, and applied to all prices at once."""

import asyncio
from datetime import timedelta

import pytest

from kit.errors import Failure, Kind
from kit.telemetry.metrics import registry
from protos.catalogue.v1 import catalogue_pb2
from protos.catalogue.v1 import prices_pb2 as pb
from tests.component.catalogue.conftest import OpenShop
from tests.component.catalogue.market import Market, market
from tests.fixtures.local.command import esimgo
from tests.fixtures.patience import PATIENCE
from tests.fixtures.wrong_clock import SetAhead


async def refused(shop: Market, *rates: tuple[str, str, str]) -> Failure:
    with pytest.raises(Failure) as caught:
        await shop.set(*rates)
    return caught.value


def gauge(name: str) -> str:
    value = registry().get_sample_value(f"esimgo_exchange_rates_{name}")
    return "" if value is None else str(int(value))


async def test_prices_move_with_a_rate_set_by_hand(open_shop: OpenShop) -> None:
    async with market(open_shop, published_ago=None) as shop:
        answer = await shop.set(("USD", "GBP", "0.8"))
        assert answer.changed == 0
        (rate,) = answer.rates
        assert (rate.rate, rate.source) == ("0.8", pb.EXCHANGE_RATE_SOURCE_MANUAL)
        await shop.sell_in_pounds()
        assert await shop.price() == "8"
        assert (await shop.set(("GBP", "USD", "1.15"))).changed == 1
        assert (await shop.price(), await shop.used("USD", "GBP")) == ("8.7", "0.869565217391")


async def test_a_rate_replaces_one_that_was_set_by_a_process_whose_clock_is_ahead(
    open_shop: OpenShop, set_ahead: SetAhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with market(open_shop, published_ago=None) as shop:
        set_ahead(timedelta(hours=2))
        await shop.set(("USD", "GBP", "0.8"))
        monkeypatch.undo()
        await shop.set(("USD", "GBP", "0.84"))
        assert await shop.used("USD", "GBP") == "0.84"


async def test_a_jump_is_refused_with_the_numbers_and_nothing_is_stored(
    open_shop: OpenShop,
) -> None:
    async with market(open_shop, published_ago=None) as shop:
        await shop.set(("EUR", "USD", "1.1"), ("EUR", "GBP", "0.88"))
        await shop.sell_in_pounds()
        before = await shop.rates()
        failure = await refused(shop, ("EUR", "JPY", "160"), ("EUR", "USD", "1.32"))
        assert (failure.kind, failure.reason) == (Kind.REFUSED, "RATE_JUMP")
        for part in ("1 EUR would be 1.32 USD instead of 1.1", "MANUAL", "+20.0 %", "accept_jump"):
            assert part in failure.message
        assert (await shop.rates(), await shop.price()) == (before, "8")
        # In the other direction, and crossed from two smaller changes.
        assert (await refused(shop, ("USD", "EUR", "0.7"))).reason == "RATE_JUMP"
        failure = await refused(shop, ("EUR", "USD", "1.01"), ("EUR", "GBP", "0.95"))
        assert "1 USD would be 0.940594059406 GBP instead of 0.8" in failure.message
        assert await shop.rates() == before
        await shop.set(("EUR", "USD", "1.01"), ("EUR", "GBP", "0.95"), accept_jump=True)
        assert await shop.price() == "9.41"


async def test_bad_rates_are_refused_by_name_and_nothing_is_stored(open_shop: OpenShop) -> None:
    bad = {
        "rates[0].rate": [("EUR", "USD", rate) for rate in ("0", "-1", "NaN", "1e999", "", "1,1")],
        "rates[0].base": [("XYZ", "EUR", "1"), ("usd", "EUR", "1"), ("", "EUR", "1")],
        "rates[0].quote": [("EUR", "EUR", "1"), ("EUR", "DEM", "1.95")],
        "rates[1].base": [("GBP", "EUR", "1.1"), ("EUR", "GBP", "0.9")],
    }
    async with market(open_shop, published_ago=None) as shop:
        for field, rates in bad.items():
            for rate in rates:
                failure = await refused(shop, rate, ("EUR", "GBP", "0.9"))
                assert failure.kind is Kind.INVALID
                assert list(failure.fields) == [field], rate
        assert await shop.count() == 0


async def test_a_rate_set_by_hand_applies_before_published_ones_for_four_days(
    open_shop: OpenShop,
) -> None:
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("USD", "1.10")
        await shop.sell_in_pounds()
        await shop.set(("USD", "GBP", "0.79"))
        await shop.publish(USD="1.12")
        await shop.until_used("USD", "1.12")
        assert (await shop.used("USD", "GBP"), await shop.price()) == ("0.79", "7.9")
        await shop.age(5)
        await shop.publish(USD="1.13")
        await shop.until(shop.price, "7.79")
        assert await shop.used("USD", "GBP") == "0.778761061947"


async def test_watchers_learn_of_new_prices_once(open_shop: OpenShop) -> None:
    async with market(open_shop, published_ago=None) as shop:
        await shop.set(("USD", "GBP", "0.8"))
        await shop.sell_in_pounds()
        request = catalogue_pb2.WatchRevisionRequest()
        revisions = aiter(shop.shop.stub.WatchRevision(request))
        async with asyncio.timeout(PATIENCE):
            seen = [int((await anext(revisions)).revision)]
            for rate in ("0.81", "0.82", "0.83"):
                await shop.set(("USD", "GBP", rate))
                while (revision := int((await anext(revisions)).revision)) == seen[0]:
                    pass  # a late notice of the rules
                seen.append(revision)
        assert sorted(set(seen)) == seen


async def test_metrics_and_doctor_report_held_and_stale_rates(open_shop: OpenShop) -> None:
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("USD", "1.10")

        async def counts() -> str:
            return f"{gauge('held')} held, {gauge('stale')} stale"

        await shop.publish(USD="1.9", JPY="400")
        await shop.until_held("JPY", "400")
        await shop.until(counts, "0 held, 0 stale")  # no price depends on them
        await shop.sell_in_pounds()
        await shop.until(counts, "1 held, 0 stale")
        await shop.age(5)
        await shop.until(counts, "1 held, 2 stale")
        await shop.set(("EUR", "USD", "1.1"), ("EUR", "GBP", "0.88"))
        await shop.until(counts, "0 held, 0 stale")


async def test_an_operator_shows_and_sets_rates(open_shop: OpenShop) -> None:
    async with market(open_shop, published_ago=1) as shop:
        await shop.until_used("USD", "1.10")
        await shop.sell_in_pounds()
        await shop.publish(USD="1.32")
        await shop.until_held("USD", "1.32")

        async def run(*arguments: str) -> tuple[int, str]:
            done = await esimgo(
                *arguments,
                CATALOGUE_ADDRESS=f"127.0.0.1:{shop.shop.port}",
                SUPABASE_URL=shop.shop.auth.url,
                SUPABASE_SERVICE_ROLE_KEY=shop.shop.auth.service_role_key,
            )
            return done.returncode, done.stdout + done.stderr

        status, text = await run("rates")
        assert status == 0
        rows = [line.split() for line in text.splitlines()]
        assert ["EUR", "USD", "1.32"] in [row[:3] for row in rows if "held:" in row]
        assert ["USD", "GBP", "0.8"] in [row[:3] for row in rows]
        status, text = await run("rates", "set", "EUR", "USD", "1.32")
        assert status == 1
        assert "RATE_JUMP" in text
        status, text = await run("rates", "set", "eur", "usd", "1.32", "--accept-jump")
        assert (status, text) == (0, "1 EUR is 1.32 USD; 1 prices changed\n")
        assert await shop.price() == "6.67"
        assert (await run("rates", "set", "EUR", "USD", "-1"))[0] != 0

"""Unusable provider records are reported and do not affect the others."""

import json
import logging
from datetime import datetime
from typing import Any

import pytest

from kit.values import timestamps
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1 import prices_pb2
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import EIGHT, NAMES, OpenShop, Shop, bundle
from tests.component.catalogue.market import on_sale

A, *OTHERS = EIGHT
# Replaced by a number of 5,000 digits, which Python's JSON encoder refuses to write.
HUGE = "a number of 5,000 digits"


async def answer(shop: Shop, records: list[Any], /, **more: Any) -> None:
    """Make the provider answer its next page with exactly these records."""
    body = json.dumps({"bundles": records, **more}).replace(f'"{HUGE}"', "9" * 5000)
    plain = "text/plain"
    await shop.control_sandbox(
        "faults", path="/catalogue", status=200, body=body, content_type=plain, count=1
    )


def dearer(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "price": row["price"] + 100} for row in rows]


UNTRUSTED: list[Any] = [None, "1.50", -1, float("nan"), float("inf"), True, [], 10**12, HUGE]
ODD: list[dict[str, Any]] = [
    {"duration": None},
    {"duration": 10**400},
    {"countries": "France"},
    {"countries": [{"name": "France"}]},
    {"dataAmount": "1000", "allowances": None},
    {"dataAmount": HUGE, "allowances": []},
]


@pytest.mark.parametrize("price", UNTRUSTED, ids=[repr(price)[:9] for price in UNTRUSTED])
async def test_a_plan_without_a_trustworthy_price_is_withheld_and_all_others_are_updated(
    open_shop: OpenShop, price: Any
) -> None:
    async with open_shop(EIGHT) as shop:
        await answer(shop, [{**A, "price": price}, *dearer(OTHERS)])
        status = await shop.sync()
        assert (status.error, status.skipped, status.withheld, status.withdrawn) == ("", 1, 1, 0)
        assert status.changed == 7
        assert list(status.problems) == ["bundle esim_a has no price that can be charged"]
        assert await on_sale(shop) == NAMES[1:]
        assert (await shop.plan("esim_a")).available_quantity == 0
        assert all(plan.price.units > 100 for plan in await shop.plans())

        assert (await shop.sync()).skipped == 0
        assert await on_sale(shop) == NAMES


@pytest.mark.parametrize("odd", ODD, ids=[repr(odd)[:24] for odd in ODD])
async def test_a_plan_with_an_odd_record_is_unchanged_while_its_price_is_unchanged(
    open_shop: OpenShop, odd: dict[str, Any]
) -> None:
    async with open_shop(EIGHT) as shop:
        before = await shop.plan("esim_a")
        await answer(shop, [{**A, **odd}, *dearer(OTHERS)])
        status = await shop.sync()
        assert (status.error, status.skipped, status.withheld, status.changed) == ("", 1, 0, 7)
        assert await shop.plan("esim_a") == before
        assert await on_sale(shop) == NAMES

        await answer(shop, [{**A, **odd, "price": 50}, *OTHERS])
        assert (await shop.sync()).withheld == 1
        assert await on_sale(shop) == NAMES[1:]


@pytest.mark.parametrize(
    "nameless", [None, 7, [], {}, {**A, "name": None}, {**A, "name": "x" * 999}]
)
async def test_a_plan_whose_record_lost_its_name_is_not_withdrawn(
    open_shop: OpenShop, nameless: Any
) -> None:
    async with open_shop(EIGHT) as shop:
        await answer(shop, [nameless, *dearer(OTHERS)])
        status = await shop.sync()
        assert (status.error, status.skipped, status.withdrawn, status.changed) == ("", 1, 0, 7)
        assert await on_sale(shop) == NAMES


async def test_a_sync_that_may_have_left_out_a_plan_confirms_no_cost(open_shop: OpenShop) -> None:
    """The record without a name may be that of a plan whose price has risen."""
    async with open_shop(EIGHT) as shop:

        async def confirmed_at() -> datetime:
            quote = prices_pb2.QuotePlanRequest(plan_id=str(plan_id("esim_a")))
            quoted = await shop.prices("QuotePlan", quote)
            plan = pb.GetPlanRequest(name="esim_a", tell_confirmed_at=True)
            assert (await shop.call("GetPlan", plan)).confirmed_at == quoted.confirmed_at
            return timestamps.from_proto(quoted.confirmed_at)

        before = await confirmed_at()
        await answer(shop, [{**A, "name": None, "price": 50}, *OTHERS])
        assert (await shop.sync()).skipped == 1
        assert await confirmed_at() == before
        assert (await shop.sync()).skipped == 0
        assert await confirmed_at() > before


async def test_a_page_with_fewer_bundles_than_announced_withdraws_no_plan(
    open_shop: OpenShop,
) -> None:
    async with open_shop(EIGHT) as shop:
        await answer(shop, OTHERS, rows=8, pageCount=1)
        status = await shop.sync()
        assert (status.skipped, status.withdrawn) == (1, 0)
        assert "1 bundles announced by the provider" in status.problems[0]
        assert await on_sale(shop) == NAMES


@pytest.mark.parametrize("count", [True, -1, "8", 10**400, HUGE, 1.5, None], ids=range(7))
async def test_invalid_page_counts_are_ignored(open_shop: OpenShop, count: Any) -> None:
    async with open_shop(EIGHT) as shop:
        await answer(shop, dearer(EIGHT), rows=count, pageCount=count)
        status = await shop.sync()
        assert (status.error, status.skipped, status.changed) == ("", 0, 8)


@pytest.mark.parametrize(
    "garbage",
    [
        [{**row, "price": "1"} for row in EIGHT],
        [{**row, "duration": None} for row in EIGHT],
        [None] * 8,
        [{**row, "price": None} for row in EIGHT[:5]] + EIGHT[5:],
    ],
    ids=["no price", "no duration", "nothing", "most without a price"],
)
async def test_a_mostly_unusable_response_changes_nothing(
    open_shop: OpenShop, garbage: list[Any]
) -> None:
    async with open_shop(EIGHT) as shop:
        before = await shop.plans()
        await answer(shop, garbage)
        status = await shop.sync()
        assert "can't be used" in status.error
        assert await shop.plans() == before


async def test_a_row_refused_by_the_database_does_not_block_others(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        await shop.databases.admin.execute(
            "alter table catalogue.data_plans add check (price <> 103 and price <> 106) not valid"
        )
        await answer(shop, dearer(EIGHT))
        status = await shop.sync()
        assert (status.error, status.skipped, status.withheld, status.changed) == ("", 2, 2, 6)
        assert "bundle esim_c was refused by the database" in status.problems[0]
        assert await on_sale(shop) == [name for name in NAMES if name not in ("esim_c", "esim_f")]


async def test_a_bundle_whose_currency_changed_is_not_sold_at_its_old_price(
    open_shop: OpenShop,
) -> None:
    async with open_shop(EIGHT) as shop:
        await answer(shop, [{**A, "duration": None}, *OTHERS])
        euros = {"currency": "EUR"}
        await shop.control_sandbox("faults", path="/organisation", status=200, body=euros, count=1)
        status = await shop.sync()
        assert (status.withheld, status.changed) == (1, 7)
        assert await on_sale(shop) == NAMES[1:]


async def test_skipped_records_are_logged_once_with_their_names(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    many = [bundle(f"esim_{number}", 1, "FR") for number in range(40)]
    async with open_shop(many) as shop:
        odd = [{**row, "price": None} for row in many[:13]]
        await answer(shop, [*odd, *many[13:]])
        status = await shop.sync()
        assert (status.skipped, status.withheld, len(status.problems)) == (13, 13, 11)
        assert (await shop.status()).last == status
    [line] = [
        record
        for record in caplog.records
        if record.message.startswith("catalogue: 13 records can't be used")
    ]
    assert "13 records can't be used, so 13 plans are off sale" in line.message
    assert "bundle esim_0 has no price" in line.message
    assert line.message.endswith("and 3 more")

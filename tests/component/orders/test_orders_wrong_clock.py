"""A replica whose clock is wrong: what ends at some time does not end early, and no sale is missing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit.values import timestamps
from protos.orders.v1 import batches_pb2, orders_pb2
from services.orders.reports.difference import Counts
from services.orders.reports.rebuild import Rebuild
from services.orders.reports.upkeep import Zone
from services.orders.statements.issue import Statements
from services.orders.statements.metrics import StatementMetrics
from services.orders.statements.settings import StatementSettings
from tests.component.orders.batches.buying_many import bulk
from tests.component.orders.books.checked import checked
from tests.component.orders.payments.paid_shop import CARD, MANUAL, PaidShop
from tests.component.orders.refunds.bought import bought
from tests.component.orders.reports.business import happen
from tests.component.orders.reports.test_sales_of_a_month import sold
from tests.component.orders.shop import Shop, request
from tests.component.orders.statements.on_account import on_account, refused
from tests.component.orders.statements.test_settling import issued
from tests.fixtures.wrong_clock import SetAhead

AHEAD = timedelta(hours=2)
LOOKED_AT = """
select run is null and next_run_at > now() from orders.payments where order_id = $1::text::uuid
"""


async def test_an_order_is_bought(shop: Shop, set_ahead: SetAhead) -> None:
    set_ahead(AHEAD)
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(request(shop), metadata=buyer)
    assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED


@pytest.mark.parametrize("method", [CARD, MANUAL])
@pytest.mark.parametrize("hosted", [False, True])
async def test_an_unpaid_order_stays(
    paid_shop: PaidShop, set_ahead: SetAhead, method: Any, hosted: bool
) -> None:
    set_ahead(AHEAD)
    buyer = await paid_shop.shop.session("b@example.com")
    wanted = {"return_url": "http://localhost:3000/"} if hosted and method == CARD else {}
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer, method=method, **wanted)
        first = await paid_shop.payment(order_id)
        assert abs(first["created_at"] - datetime.now(UTC)) < AHEAD / 2
        await paid_shop.set_payment(order_id, expires_at=datetime.now(UTC) + AHEAD / 2)
        await paid_shop.shop.databases.until(LOOKED_AT, order_id)
        assert (await paid_shop.payment(order_id))["state"] == "AWAITING"
        if intent_id:
            await paid_shop.pay(intent_id)
            await paid_shop.due(order_id)
            await paid_shop.reaches(order_id, "COMPLETED")


async def test_no_statement_is_issued_before_its_month_is_over(
    shop: Shop, set_ahead: SetAhead
) -> None:
    set_ahead(AHEAD)
    async with shop.databases.open("orders") as database:
        statements = Statements(database, StatementSettings(), StatementMetrics())
        assert abs(statements._now() - datetime.now(UTC)) < AHEAD / 2


async def test_a_payment_that_is_about_to_be_given_back_is_no_difference_of_the_books(
    paid_shop: PaidShop, set_ahead: SetAhead
) -> None:
    async with checked(paid_shop) as found:
        order = await bought(paid_shop, found.service, found.buyer)
        set_ahead(AHEAD)
        await found.force(
            "update orders.esim_orders set status = 'FAILED', failure_reason = 'PAID_BACK'"
            " where id = $1::text::uuid",
            order.id,
        )
        await found.force(
            "update orders.payments set state = 'PAID', next_run_at = null, updated_at = now()"
        )
        assert "FAILED_ORDER_KEEPS_MONEY" not in await found.codes()
        await found.force("update orders.payments set updated_at = now() - interval '11 minutes'")
        assert "FAILED_ORDER_KEEPS_MONEY" in await found.codes()


async def test_a_capture_that_is_being_recorded_is_no_difference_of_the_books(
    paid_shop: PaidShop, set_ahead: SetAhead
) -> None:
    async with checked(paid_shop) as found:
        await bought(paid_shop, found.service, found.buyer)
        set_ahead(AHEAD)
        await found.force(
            "update orders.payments set captured = 0, state = 'AUTHORIZED', next_run_at = null"
        )
        assert "CHARGE_NOT_CAPTURED" not in await found.codes()


async def test_the_sales_of_today_are_summed_and_compared(shop: Shop, set_ahead: SetAhead) -> None:
    admin = shop.databases.admin
    await happen(admin, [sold(1, "USD", 20, at=datetime.now(UTC))])
    async with shop.databases.open("orders") as database:
        set_ahead(-timedelta(days=2))
        await Zone(database, "Asia/Tokyo", stop=asyncio.Event()).round()
        for table in ("sales_by_day", "area_sales"):
            summed = f"select sum(gross) from orders.{table} where time_zone = 'Asia/Tokyo'"  # noqa: S608
            assert await admin.fetchval(summed) == (40 if table == "area_sales" else 20)
        await admin.execute("update orders.sales_by_day set gross = 0")
        rebuild = Rebuild(database, "Asia/Tokyo")
        found = [one async for one in rebuild.run(None, Counts(), check=True)]
        assert {one.code for one in found} == {"SUM_DIFFERS"}


async def test_a_batch_waits_for_its_time(shop: Shop, set_ahead: SetAhead) -> None:
    set_ahead(AHEAD)
    begins = datetime.now(UTC) + AHEAD / 2
    async with bulk(shop) as many:
        batch = await many.create([many.item()], not_before=timestamps.to_proto(begins))
        assert batch.status == batches_pb2.BATCH_STATUS_SCHEDULED
        ends = timestamps.from_proto(batch.estimated_end)
        assert abs(ends - begins) < timedelta(minutes=1)


async def test_a_statement_is_not_paid_in_the_future(shop: Shop, set_ahead: SetAhead) -> None:
    set_ahead(timedelta(days=3))
    async with on_account(shop) as found:
        statement = await issued(found)
        later = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
        failure = await refused(found.pay(statement, 1, paid_on=later))
        assert list(failure.fields) == ["paid_on"]

"""The provider balance: every process shows the latest report."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kit.values import money, timestamps
from protos.orders.v1 import events_pb2
from services.orders.operators import audit
from tests.component.orders.shop import Shop, request
from tests.fixtures.patience import until

# Seconds. An audit that begins that late doesn't read the balance within a test.
A_DAY = 86_400.0


def reported(balance: str, ago: timedelta = timedelta()) -> events_pb2.ApplyEventsRequest:
    """A callback about a low balance that was received this long ago."""
    event = events_pb2.ProviderEvent(
        event_id=str(uuid.uuid4()),
        received_at=timestamps.to_proto(datetime.now(UTC) - ago),
        balance_low=events_pb2.BalanceLow(
            kind="LowBalance",
            balance=money.to_proto(Decimal(balance), ""),
            threshold=money.to_proto(Decimal(100), ""),
        ),
    )
    return events_pb2.ApplyEventsRequest(events=[event])


async def stored(shop: Shop) -> Decimal | None:
    balance: Decimal | None = await shop.databases.admin.fetchval(
        "select balance from orders.provider_balance"
    )
    return balance


async def test_the_balance_is_read_before_the_first_purchase_and_at_every_audit(
    shop: Shop,
) -> None:
    async with shop.open(audit_every=0.2, settling=0.0, clock_tolerance=0.0):

        async def is_stored() -> bool:
            return await stored(shop) == shop.sandbox.world.account.balance

        await until(is_stored)
        await shop.control("balance", set=41)
        await until(is_stored)
        assert await stored(shop) == 41


async def test_purchases_and_callbacks_update_the_balance_and_older_reports_do_not(
    shop: Shop,
) -> None:
    async with shop.open(settling=A_DAY) as orders:
        await orders.CreateOrder(request(shop), metadata=await shop.session("ann@example.com"))

        async def is_stored() -> bool:
            return await stored(shop) == shop.sandbox.world.account.balance

        await until(is_stored)
        await orders.ApplyEvents(reported("74.1"), metadata=shop.service_key)
        assert await stored(shop) == Decimal("74.1")
        await orders.ApplyEvents(reported("99", timedelta(hours=1)), metadata=shop.service_key)
        assert await stored(shop) == Decimal("74.1")


async def test_after_a_repeated_report_the_balance_is_read_from_the_provider(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Automatic top-ups often have the amounts of an earlier one."""
    # Otherwise the next audit might begin before the test has seen that it is due.
    monkeypatch.setattr(audit, "SURVEY_EVERY", A_DAY)
    again = reported("74.1")
    again.events[0].repeated = True
    async with shop.open(audit_every=A_DAY, settling=0.0, clock_tolerance=0.0) as orders:
        await shop.databases.until("select exists (select from orders.provider_balance)")
        due = "select due_at <= now() from orders.provider_audits"
        assert not await shop.databases.admin.fetchval(due)
        answer = await orders.ApplyEvents(again, metadata=shop.service_key)
        assert [one.outcome for one in answer.results] == [events_pb2.EVENT_OUTCOME_UNCHANGED]
        assert await shop.databases.admin.fetchval(due)
    assert await stored(shop) == shop.sandbox.world.account.balance


async def test_a_balance_is_stored_without_what_it_is_compared_with(shop: Shop) -> None:
    wanted = reported("74.1")
    wanted.events[0].balance_low.ClearField("threshold")
    async with shop.open(settling=A_DAY) as orders:
        await orders.ApplyEvents(wanted, metadata=shop.service_key)
    assert await stored(shop) == Decimal("74.1")
    [row] = await shop.databases.admin.fetch("select * from orders.balance_events")
    assert (row["balance"], row["old_balance"], row["threshold"]) == (Decimal("74.1"), None, None)


async def test_the_balance_is_read_although_the_list_of_orders_cannot_be(shop: Shop) -> None:
    await shop.fault(method="GET", path="/orders", status=200, body={"message": "?"}, count=0)
    async with shop.open(audit_every=0.2, settling=0.0, clock_tolerance=0.0):
        await shop.control("balance", set=41)

        async def is_stored() -> bool:
            return await stored(shop) == 41

        await until(is_stored)

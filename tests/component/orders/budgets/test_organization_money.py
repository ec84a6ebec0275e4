"""Organizations that pay from their wallet, and what refunds give back to wallet and budgets."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.values import money
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments.settings import PaymentMode
from tests.component.orders.budgets.buying_for import (
    EACH,
    NONE,
    Company,
    company,
    correction,
    refusal,
)
from tests.component.orders.payments.paid_shop import CARD, MANUAL, WALLET, PaidShop
from tests.component.orders.refunds.bought import balances, settled, wanted
from tests.component.orders.shop import Shop, reaches

# Moves what a budget has taken into the period before.
A_MONTH_AGO = """
insert into orders.budget_periods (budget_id, starts_on, amount, spent, reserved)
select budget_id, starts_on - 31, amount, spent, reserved from orders.budget_periods where budget_id = $1;
alter table orders.budget_reservations disable trigger user;
update orders.budget_reservations set starts_on = starts_on - 31 where budget_id = $1;
alter table orders.budget_reservations enable trigger user;
delete from orders.budget_periods p where budget_id = $1 and not exists (
    select from orders.budget_reservations r where r.budget_id = $1 and r.starts_on = p.starts_on
)
"""


async def unsettled(acme: Company) -> Any:
    return await acme.shop.databases.admin.fetchval(
        "select count(*) from orders.budget_reservations where state = 'RESERVED'"
    )


async def test_a_prepaid_organization_pays_from_its_wallet(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        people, finance = acme.acme, paid_shop.shop.service_key
        budget = await acme.set_budget(1000)
        assert await refusal(acme.buy(people.buyer, "poor")) == "WALLET_TOO_LOW"
        assert await acme.taken(budget) == (0, 0)
        await service.payments.CorrectWallet(correction(acme, "700"), metadata=finance)
        order = await acme.buy(people.buyer, "rich")
        await paid_shop.reaches(order.id, "COMPLETED")
        assert order.has_payment
        assert await paid_shop.wallet(people.id) == (700 - EACH, 0)
        assert await acme.taken(budget) == (EACH, 0)
        payment = await paid_shop.payment(order.id)
        assert (payment["customer_id"], payment["organization_id"]) == (
            people.buyer.user_id,
            UUID(people.id),
        )
        # The buyer's own wallet is another one, and pays for the buyer's own orders.
        own = paid_shop.request(WALLET, idempotency_key="own")
        assert (
            await refusal(acme.orders.CreateOrder(own, metadata=people.buyer.metadata))
            == "WALLET_TOO_LOW"
        )
        booked = await balances(paid_shop)
        assert booked["clearing:manual"] == 700
        assert sum(booked.values()) == 0


async def test_a_method_that_the_organization_does_not_pay_by_is_refused(
    paid_shop: PaidShop,
) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        by_card = paid_shop.request(CARD, organization_id=acme.acme.id)
        assert (
            await refusal(acme.orders.CreateOrder(by_card, metadata=acme.acme.buyer.metadata))
            == "PAYMENT_METHOD_NOT_OFFERED"
        )


async def test_buyers_of_an_organization_with_cards_pay_themselves(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "CARD", service.channel) as acme,
    ):
        buyer = acme.acme.buyer
        budget = await acme.set_budget(1000)
        assert await refusal(acme.buy(buyer, "none")) == "PAYMENT_REQUIRED"
        manual = paid_shop.request(MANUAL, organization_id=acme.acme.id)
        assert (
            await refusal(acme.orders.CreateOrder(manual, metadata=buyer.metadata))
            == "PAYMENT_METHOD_NOT_OFFERED"
        )
        by_card = paid_shop.request(CARD, organization_id=acme.acme.id)
        order = (await acme.orders.CreateOrder(by_card, metadata=buyer.metadata)).order
        assert await acme.taken(budget) == (0, EACH)  # while it is unpaid too
        payment = await paid_shop.payment(order.id)
        await paid_shop.pay(payment["intent_id"])
        await paid_shop.due(order.id)
        await paid_shop.reaches(order.id, "COMPLETED")
        assert await acme.taken(budget) == (EACH, 0)
        # A refund that can't or shall not go to the card goes to the wallet of the organization.
        await service.payments.RefundOrder(
            wanted(order.id, "10", destination=pb.REFUND_DESTINATION_WALLET),
            metadata=paid_shop.shop.service_key,
        )
        assert await paid_shop.wallet(acme.acme.id) == (10, 0)
        assert await acme.taken(budget) == (EACH - 10, 0)


async def test_a_prepaid_organization_pays_from_its_wallet_where_customers_do_not_pay(
    paid_shop: PaidShop,
) -> None:
    async with (
        paid_shop.open(mode=PaymentMode.OFF) as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        await paid_shop.fill_wallet(acme.acme.id, str(EACH))
        order = await acme.buy(acme.acme.buyer, "one")
        await paid_shop.reaches(order.id, "COMPLETED")
        assert await paid_shop.wallet(acme.acme.id) == (0, 0)
        assert await refusal(acme.buy(acme.acme.buyer, "two")) == "WALLET_TOO_LOW"


async def test_a_failed_order_gives_back_to_wallet_and_budgets(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        budget = await acme.set_budget(1000)
        await paid_shop.fill_wallet(acme.acme.id, "1000")
        await paid_shop.shop.fault(method="POST", path="/orders", status=400)
        order = await acme.buy(acme.acme.buyer, "one")
        await paid_shop.reaches(order.id, "FAILED")
        await paid_shop.becomes(order.id, "RELEASED")
        assert await paid_shop.wallet(acme.acme.id) == (1000, 0)
        assert await acme.taken(budget) == (0, 0)


async def test_a_refund_gives_back_to_the_present_period(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        month = await acme.set_budget(1000)
        ever = await acme.set_budget(5000, period=NONE)
        await paid_shop.fill_wallet(acme.acme.id, "1000")
        order = await acme.buy(acme.acme.buyer, "one")
        await paid_shop.reaches(order.id, "COMPLETED")
        admin = paid_shop.shop.databases.admin
        await admin.execute(A_MONTH_AGO.replace("$1", f"'{month.id}'"))
        assert await acme.taken(month) == (0, 0)
        await service.payments.RefundOrder(
            wanted(order.id, "110.05"), metadata=paid_shop.shop.service_key
        )
        await settled(paid_shop)
        assert await acme.taken(month) == (Decimal("-110.05"), 0)
        assert await acme.taken(ever) == (200, 0)
        assert await paid_shop.wallet(acme.acme.id) == (1000 - 200, 0)
        [budget] = [b for b in await acme.list_budgets() if b.id == month.id]
        assert money.from_proto(budget.left) == Decimal("1110.05")
        past = await admin.fetchval(
            "select spent from orders.budget_periods where budget_id = $1 order by starts_on limit 1",
            UUID(month.id),
        )
        assert past == EACH
        assert await unsettled(acme) == 0


async def test_what_was_refunded_in_a_period_can_be_spent_in_it(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        month = await acme.set_budget(1000)
        await paid_shop.fill_wallet(acme.acme.id, "1000")
        order = await acme.buy(acme.acme.buyer, "one")
        await paid_shop.reaches(order.id, "COMPLETED")
        admin = paid_shop.shop.databases.admin
        await admin.execute(A_MONTH_AGO.replace("$1", f"'{month.id}'"))
        refund = wanted(order.id, "110.05")
        await service.payments.RefundOrder(refund, metadata=paid_shop.shop.service_key)
        await settled(paid_shop)
        # An order for more than the amount, and for less than what is left.
        lower = await acme.set_budget(EACH - 1)
        assert money.from_proto(lower.left) == EACH - 1 + Decimal("110.05")
        again = await acme.buy(acme.acme.buyer, "two")
        await paid_shop.reaches(again.id, "COMPLETED")
        assert await acme.taken(month) == (EACH - Decimal("110.05"), 0)
        assert await refusal(acme.buy(acme.acme.buyer, "three")) == "BUDGET_EXCEEDED"


async def test_a_refund_that_fails_later_is_spent_again(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "CARD", service.channel) as acme,
    ):
        budget = await acme.set_budget(1000)
        by_card = paid_shop.request(CARD, organization_id=acme.acme.id)
        order = (await acme.orders.CreateOrder(by_card, metadata=acme.acme.buyer.metadata)).order
        await paid_shop.pay((await paid_shop.payment(order.id))["intent_id"])
        await paid_shop.due(order.id)
        await paid_shop.reaches(order.id, "COMPLETED")
        await service.payments.RefundOrder(
            wanted(order.id, "10"), metadata=paid_shop.shop.service_key
        )
        await settled(paid_shop)
        assert await acme.taken(budget) == (EACH - 10, 0)
        admin = paid_shop.shop.databases.admin
        await admin.execute("update orders.refunds set state = 'FAILED'")
        assert await acme.taken(budget) == (EACH, 0)


async def test_managers_cancel_the_orders_of_buyers(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    async with company(shop) as acme:
        people = acme.acme
        budget = await acme.set_budget(1000)
        order = await acme.buy(people.buyer, "one")
        await reaches(shop, order.id, "COMPLETED")
        wish = orders_pb2.CancelOrderRequest(order_id=order.id)
        for member in (people.finance, people.traveler):
            assert (
                await refusal(acme.orders.CancelOrder(wish, metadata=member.metadata))
                == "ORDER_NOT_FOUND"
            )
        support = await shop.session("support@example.com", role="support")
        assert (
            await refusal(acme.orders.CancelOrder(wish, metadata=support)) == "STAFF_MAY_ONLY_READ"
        )
        timelines = await acme.orders.BatchListOrderTimelines(
            orders_pb2.BatchListOrderTimelinesRequest(order_ids=[order.id]),
            metadata=people.manager.metadata,
        )
        assert timelines.timelines
        answer = await acme.orders.CancelOrder(wish, metadata=people.manager.metadata)
        assert answer.order.status == orders_pb2.ORDER_STATUS_REFUNDED
        # The shop has no payments: the whole price is given back with the status.
        assert await acme.taken(budget) == (0, 0)


async def test_what_is_cancelled_of_an_order_is_given_back_where_customers_do_not_pay(
    shop: Shop,
) -> None:
    shop.sandbox.world.switches.refunds = True
    async with company(shop) as acme:
        buyer = acme.acme.buyer
        budget = await acme.set_budget(1000)
        order = await acme.buy(buyer, "three", quantity=3)
        await reaches(shop, order.id, "COMPLETED")
        bundles = [a for a in shop.sandbox.world.assignments if a.state == "queued"]
        country = shop.catalogue.bundles[shop.plan_id].countries[0].iso
        await shop.control(f"esims/{bundles[0].iccid}/use-data", megabytes=1, country=country)
        wish = orders_pb2.CancelOrderRequest(order_id=order.id, unused_only=True)
        answer = await acme.orders.CancelOrder(wish, metadata=buyer.metadata)
        assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert "its price refunded" in answer.message
        assert await acme.taken(budget) == (EACH, 0)


async def test_managers_see_how_an_order_was_paid(paid_shop: PaidShop) -> None:
    async with (
        paid_shop.open() as service,
        company(paid_shop.shop, "PREPAID", service.channel) as acme,
    ):
        people = acme.acme
        await paid_shop.fill_wallet(people.id, "1000")
        order = await acme.buy(people.buyer, "one")
        await paid_shop.reaches(order.id, "COMPLETED")
        ask = pb.BatchGetPaymentsRequest(order_ids=[order.id])
        refundable = pb.BatchGetRefundableRequest(order_ids=[order.id])
        for who in (people.owner, people.manager, people.buyer):
            [payment] = (
                await service.payments.BatchGetPayments(ask, metadata=who.metadata)
            ).payments
            assert (payment.method, payment.customer_id) == (WALLET, "")
            found = await service.payments.BatchGetRefundable(refundable, metadata=who.metadata)
            assert money.from_proto(found.refundables[0].amount) == EACH
        for who in (people.finance, people.traveler):
            answer = await service.payments.BatchGetPayments(ask, metadata=who.metadata)
            assert not answer.payments
            none = await service.payments.BatchGetRefundable(refundable, metadata=who.metadata)
            assert not none.refundables

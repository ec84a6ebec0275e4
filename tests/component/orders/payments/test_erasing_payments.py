"""Export and erasure of a customer's payments, refunds and wallets."""

import json

import pytest

from protos.orders.v1 import orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import WALLET, Open, PaidShop, buyer_id
from tests.component.orders.payments.test_unclear_payments import resolve, unclear
from tests.component.orders.refunds.bought import bought, settled
from tests.component.orders.refunds.bought import wanted as wanted_refund
from tests.component.orders.wallet.test_wallets import wanted
from tests.fixtures.rpc.refusals import refused


async def exported(service: Open, shop: PaidShop, customer_id: str) -> dict[str, list[str]]:
    wanted = orders_pb2.ExportCustomerRequest(customer_id=customer_id)
    rows: dict[str, list[str]] = {}
    async for row in service.orders.ExportCustomer(wanted, metadata=shop.shop.service_key):
        rows.setdefault(row.table, []).append(row.row_json)
    return rows


async def test_payments_are_exported_and_erased(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer, customer_id = await buyer_id(paid_shop)
    cost = shop.catalogue.bundles[shop.plan_id].price
    await paid_shop.fill_wallet(customer_id, str(cost))
    erase = orders_pb2.EraseCustomerRequest(customer_id=customer_id)
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(
            service, buyer, client_address="192.0.2.7", save_payment_method=True
        )
        call = service.orders.EraseCustomer(erase, metadata=shop.service_key)
        assert await refused(call) == "ORDERS_OPEN"
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await paid_shop.reaches(order_id, "COMPLETED")

        found = await exported(service, paid_shop, customer_id)
        [payment] = map(json.loads, found["payments"])
        assert payment["client_address"] == "192.0.2.7"
        assert "held_reason" not in payment
        assert {"wallets", "payment_customers"} <= found.keys()

        call = service.orders.EraseCustomer(erase, metadata=shop.service_key)
        assert await refused(call) == "WALLET_NOT_EMPTY"
        paid = await service.orders.CreateOrder(
            paid_shop.request(WALLET, idempotency_key="wallet"), metadata=buyer
        )
        assert paid.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        await service.orders.EraseCustomer(erase, metadata=shop.service_key)
        assert await exported(service, paid_shop, customer_id) == {}
    row = await paid_shop.payment(order_id)
    assert row["customer_id"].int == 0
    assert not row["client_address"]
    assert not row["email_domain"]
    assert not row["card_fingerprint"]
    for table in ("payments", "wallets", "payment_customers"):
        rows = await shop.databases.admin.fetch(f"select t::text from orders.{table} t")  # noqa: S608
        assert not any(customer_id in str(one) for one in rows)


async def test_notes_of_corrections_are_erased_with_the_wallet(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    _, ann = await buyer_id(paid_shop)
    _, bob = await buyer_id(paid_shop, "bob@example.com")
    async with paid_shop.open() as service:
        for customer, amount in ((ann, "5"), (ann, "-5"), (bob, "5")):
            request = wanted(customer, amount, note=f"called {customer}")
            await service.payments.CorrectWallet(request, metadata=shop.service_key)
        erase = orders_pb2.EraseCustomerRequest(customer_id=ann)
        await service.orders.EraseCustomer(erase, metadata=shop.service_key)
    for table in ("wallets", "wallet_entries", "ledger_transactions"):
        rows = await shop.databases.admin.fetch(f"select t::text from orders.{table} t")  # noqa: S608
        assert not any(ann in str(one) for one in rows), table
        assert any(bob in str(one) for one in rows), table
    notes = "select note from orders.ledger_transactions order by n"
    kept = [row["note"] for row in await shop.databases.admin.fetch(notes)]
    assert kept == ["", "", f"called {bob}"]


@pytest.mark.parametrize("failed", [True, False])
async def test_a_customer_who_is_owed_a_refund_is_not_erased(
    paid_shop: PaidShop, failed: bool
) -> None:
    """The refund of a failed or cancelled order has failed: nobody could pay it back after the erasure."""
    shop = paid_shop.shop
    buyer, customer_id = await buyer_id(paid_shop)
    admin = await shop.session("a@example.com", admin=True)
    erase = orders_pb2.EraseCustomerRequest(customer_id=customer_id)
    async with paid_shop.open() as service:
        if failed:
            order_id, _ = await unclear(paid_shop, service, buyer)
            await paid_shop.becomes(order_id, "PAID")
            await resolve(service, order_id, admin, not_bought=True)
        else:
            order_id = (await bought(paid_shop, service, buyer)).id
            cancel = orders_pb2.CancelOrderRequest(order_id=order_id)
            await service.orders.CancelOrder(cancel, metadata=buyer)
        await settled(paid_shop)
        # The bank of the card sends it back.
        await shop.databases.admin.execute("update orders.refunds set state = 'FAILED'")
        call = service.orders.EraseCustomer(erase, metadata=shop.service_key)
        assert await refused(call) == "PAYMENTS_OPEN"
        by_hand = wanted_refund(order_id, destination=payments_pb2.REFUND_DESTINATION_MANUAL)
        await service.payments.RefundOrder(by_hand, metadata=shop.service_key)
        await service.orders.EraseCustomer(erase, metadata=shop.service_key)
        assert await exported(service, paid_shop, customer_id) == {}

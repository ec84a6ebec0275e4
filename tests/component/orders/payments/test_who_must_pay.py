"""Whose orders need a payment, and which they may have."""

from decimal import Decimal

from protos.orders.v1 import orders_pb2
from services.orders.payments.settings import PaymentMode
from tests.component.orders.payments.paid_shop import PaidShop, buyer_id
from tests.component.orders.shop import request
from tests.fixtures.rpc.refusals import refused


async def test_an_order_without_a_payment_is_refused(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        call = service.orders.CreateOrder(request(paid_shop.shop), metadata=buyer)
        assert await refused(call) == "PAYMENT_REQUIRED"


async def test_less_than_a_card_can_pay_is_refused(paid_shop: PaidShop) -> None:
    paid_shop.shop.catalogue.stored_price = Decimal("0.49")
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        call = service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        assert await refused(call) == "PAYMENT_AMOUNT_TOO_SMALL"
    assert (
        await paid_shop.shop.databases.admin.fetchval("select count(*) from orders.payments") == 0
    )


async def test_a_service_buys_without_a_payment(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    _, customer_id = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        answer = await service.orders.CreateOrderForCustomer(
            orders_pb2.CreateOrderForCustomerRequest(customer_id=customer_id, order=request(shop)),
            metadata=shop.service_key,
        )
        assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert not answer.order.has_payment
        with_payment = orders_pb2.CreateOrderForCustomerRequest(
            customer_id=customer_id, order=paid_shop.request(idempotency_key="another")
        )
        call = service.orders.CreateOrderForCustomer(with_payment, metadata=shop.service_key)
        assert await refused(call) == "INVALID_ARGUMENT"
    assert (await shop.row(answer.order.id))["paid_by"] == "ELSEWHERE"


async def test_customers_buy_nothing_before_the_operator_has_decided(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open(mode=PaymentMode.UNDECIDED) as service:
        call = service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
        assert await refused(call) == "PAYMENTS_NOT_CONFIGURED"
    async with paid_shop.open(mode=PaymentMode.OFF) as service:
        answer = await service.orders.CreateOrder(paid_shop.request(), metadata=buyer)
    assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
    assert not answer.HasField("payment")
    assert (await paid_shop.shop.row(answer.order.id))["paid_by"] == "NOBODY"

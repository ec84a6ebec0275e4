"""Who may buy: customers, anonymous sessions, and a service on a customer's behalf."""

from typing import Any
from uuid import uuid4

import grpc
import pytest

from kit.rpc.errors import from_error
from protos.orders.v1 import orders_pb2
from services.orders.purchase.buyers import Buyers
from services.orders.purchase.limits import parse
from tests.component.orders.shop import Metadata, Shop, orders_recorded, request
from tests.fixtures.rpc.refusals import refused

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED


async def anonymous(shop: Shop) -> Metadata:
    """Metadata of an anonymous Supabase session, which has no e-mail address."""
    async with shop.http.post(
        f"{shop.auth.url}/auth/v1/signup", json={"data": {}}, headers={"apikey": shop.auth.anon_key}
    ) as answer:
        assert answer.status == 200, await answer.text()
        session = await answer.json()
    return (("authorization", f"Bearer {session['access_token']}"),)


def on_behalf(shop: Shop, customer: str, **wanted: Any) -> Any:
    return orders_pb2.CreateOrderForCustomerRequest(
        customer_id=customer, order=request(shop, **wanted)
    )


async def test_an_anonymous_session_may_browse_but_not_buy(shop: Shop) -> None:
    anonymous_session = await anonymous(shop)
    async with shop.open() as orders:
        assert await refused(orders.CreateOrder(request(shop), metadata=anonymous_session)) == (
            "ANONYMOUS_SESSION"
        )
        listed = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=anonymous_session)
        assert not listed.orders
    assert await orders_recorded(shop) == shop.charges == 0


async def test_an_anonymous_session_may_buy_if_the_setting_allows_it(shop: Shop) -> None:
    anonymous_session = await anonymous(shop)
    async with shop.open(buyers=Buyers(anonymous=True)) as orders:
        answer = await orders.CreateOrder(request(shop), metadata=anonymous_session)
    assert answer.order.status == COMPLETED


async def test_customers_may_not_buy_if_only_services_may(shop: Shop) -> None:
    async with shop.open(buyers=Buyers(service_only=True)) as orders:
        for buyer in (
            await shop.session("ann@example.com"),
            await shop.session("root@example.com", admin=True),
            await anonymous(shop),
        ):
            call = orders.CreateOrder(request(shop), metadata=buyer)
            assert await refused(call) == "PURCHASES_BY_SERVICE_ONLY"
    assert await orders_recorded(shop) == 0


@pytest.mark.parametrize("service_only", [False, True])
async def test_a_service_may_buy_on_behalf_of_a_customer(shop: Shop, service_only: bool) -> None:
    ann = await shop.session("ann@example.com")
    ann_id = str(await shop.auth.user_id("ann@example.com"))
    async with shop.open(buyers=Buyers(service_only=service_only)) as orders:
        wanted = on_behalf(shop, ann_id, quantity=2)
        first = await orders.CreateOrderForCustomer(wanted, metadata=shop.service_key)
        again = await orders.CreateOrderForCustomer(wanted, metadata=shop.service_key)
        other = on_behalf(shop, ann_id, quantity=3)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.CreateOrderForCustomer(other, metadata=shop.service_key)
        assert from_error(raised.value).reason == "IDEMPOTENCY_CONFLICT"
        mine = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=ann)
    assert first.order.status == COMPLETED
    assert first.order.customer_id == ann_id
    assert (again.order.id, again.repeated_request) == (first.order.id, True)
    assert [order.id for order in mine.orders] == [first.order.id]
    assert shop.esims.registered[first.order.id].customer_id == ann_id
    assert shop.charges == 1
    actor = await shop.databases.admin.fetchval(
        "select actor from orders.order_events where reason = 'claimed'"
    )
    assert actor == "service"


async def test_buying_on_behalf_requires_a_key_and_a_customer(shop: Shop) -> None:
    async with shop.open() as orders:
        for wanted, field in (
            (on_behalf(shop, str(uuid4()), idempotency_key=""), "order.idempotency_key"),
            (on_behalf(shop, ""), "customer_id"),
            (on_behalf(shop, "00000000-0000-0000-0000-000000000000"), "customer_id"),
            (on_behalf(shop, str(uuid4()), quantity=0), "quantity"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await orders.CreateOrderForCustomer(wanted, metadata=shop.service_key)
            assert field in from_error(raised.value).fields
    assert await orders_recorded(shop) == 0


async def test_purchase_limits_apply_to_services_too(shop: Shop) -> None:
    customer = str(uuid4())
    async with shop.open(purchase_limits=parse("customer_hour_orders=1")) as orders:
        await orders.CreateOrderForCustomer(on_behalf(shop, customer), metadata=shop.service_key)
        call = orders.CreateOrderForCustomer(
            on_behalf(shop, customer, idempotency_key="2"), metadata=shop.service_key
        )
        assert await refused(call) == "PURCHASE_LIMIT_CUSTOMER_HOUR_ORDERS"
        await orders.CreateOrderForCustomer(
            on_behalf(shop, str(uuid4())), metadata=shop.service_key
        )

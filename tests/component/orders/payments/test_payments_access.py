"""Who may call which method of the payments service, and what a customer sees of payments."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest

from protos.orders.v1 import orders_pb2, payments_pb2
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments.access import ACCESS
from tests.component.orders.budgets.buying_for import company
from tests.component.orders.payments.paid_shop import RISKY, PaidShop
from tests.fixtures.rpc.refusals import refused

METHODS = payments_pb2.DESCRIPTOR.services_by_name["PaymentsService"].methods_by_name
STAFF_ONLY = [
    name for name, rule in ACCESS.items() if rule.access.name in ("FINANCE", "SUPPORT", "SERVICE")
]


def empty(name: str) -> Any:
    """Return an empty request of a method."""
    return getattr(pb, METHODS[name].input_type.name)()


async def test_no_method_answers_without_a_session(paid_shop: PaidShop) -> None:
    async with paid_shop.open() as service:
        for name in ACCESS:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await getattr(service.payments, name)(empty(name))
            assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED, name


async def test_customers_call_no_method_of_the_staff(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    async with paid_shop.open() as service:
        for name in STAFF_ONLY:
            call = getattr(service.payments, name)(empty(name), metadata=buyer)
            assert await refused(call) == "FORBIDDEN", name


async def test_the_support_staff_only_lists_held_orders(paid_shop: PaidShop) -> None:
    support = await paid_shop.shop.session("s@example.com", role="support")
    async with paid_shop.open() as service:
        for name in STAFF_ONLY:
            call = getattr(service.payments, name)(empty(name), metadata=support)
            if name == "ListHeldOrders":
                await call
            else:
                assert await refused(call) == "FORBIDDEN", name


async def test_payments_of_others_are_invisible(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    other = await paid_shop.shop.session("c@example.com")
    async with paid_shop.open() as service:
        order_id, _ = await paid_shop.bought(service, buyer)
        wanted = pb.BatchGetPaymentsRequest(order_ids=[order_id, str(uuid4())])
        assert not (await service.payments.BatchGetPayments(wanted, metadata=other)).payments
        assert len((await service.payments.BatchGetPayments(wanted, metadata=buyer)).payments) == 1
        cancel = orders_pb2.CancelOrderRequest(order_id=order_id)
        call = service.orders.CancelOrder(cancel, metadata=other)
        assert await refused(call) == "ORDER_NOT_FOUND"


async def test_only_the_buyer_continues_a_payment(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open() as service, company(shop, "CARD", service.channel) as acme:
        buyer, organization = acme.acme.buyer, acme.acme
        order_id, _ = await paid_shop.bought(
            service, buyer.metadata, organization_id=organization.id, save_payment_method=True
        )
        wanted = pb.ResumePaymentRequest(order_id=order_id)
        # The card that pays is saved for the buyer, also if it is another person's.
        for other in (organization.owner.metadata, organization.manager.metadata, admin):
            call = service.payments.ResumePayment(wanted, metadata=other)
            assert await refused(call) == "ONLY_BUYER_PAYS"
        for other in (organization.finance.metadata, organization.traveler.metadata):
            call = service.payments.ResumePayment(wanted, metadata=other)
            assert await refused(call) == "ORDER_NOT_FOUND"
        resumed = await service.payments.ResumePayment(wanted, metadata=buyer.metadata)
        assert resumed.payment.client_secret


async def test_no_user_reads_payments_from_the_database(paid_shop: PaidShop) -> None:
    admin = paid_shop.shop.databases.admin
    for table in ("payments", "refunds", "disputes", "payment_customers", "payments_in_use"):
        may = await admin.fetchval(
            "select has_table_privilege('orders_user', $1, 'select')", f"orders.{table}"
        )
        assert not may, table


@pytest.mark.parametrize(
    "make",
    [
        lambda i: pb.ListPaymentsRequest(page_size=501),
        lambda i: pb.ListPaymentsRequest(statuses=[pb.PAYMENT_STATUS_UNSPECIFIED]),
        lambda i: pb.MarkOrderPaidRequest(order_id=i),
        lambda i: pb.ReleaseOrderRequest(order_id=i),
        lambda i: pb.RejectOrderRequest(order_id="x", note="why"),
    ],
)
async def test_bad_requests_name_their_fields(
    paid_shop: PaidShop, make: Callable[[str], Any]
) -> None:
    admin = await paid_shop.shop.session("a@example.com", admin=True)
    request = make(str(uuid4()))
    name = type(request).__name__.removesuffix("Request")
    async with paid_shop.open() as service:
        call = getattr(service.payments, name)(request, metadata=admin)
        assert await refused(call) == "INVALID_ARGUMENT"


async def test_lists_have_pages(paid_shop: PaidShop) -> None:
    buyer = await paid_shop.shop.session("b@example.com")
    finance = await paid_shop.shop.session("f@example.com", role="finance")
    async with paid_shop.open() as service:
        orders = []
        for n in range(3):
            order_id, intent_id = await paid_shop.bought(service, buyer, idempotency_key=f"k{n}")
            await paid_shop.pay(intent_id, RISKY)
            await paid_shop.due(order_id)
            await paid_shop.becomes(order_id, "AUTHORIZED")
            orders.append(order_id)
        held, page = [], pb.ListHeldOrdersRequest(page_size=2)
        newest, pages = [], pb.ListPaymentsRequest(page_size=2, statuses=[pb.PAYMENT_STATUS_HELD])
        for _ in range(2):
            answer = await service.payments.ListHeldOrders(page, metadata=finance)
            held += [one.order_id for one in answer.payments]
            page.page_token = answer.next_page_token
            listed = await service.payments.ListPayments(pages, metadata=finance)
            newest += [one.order_id for one in listed.payments]
            pages.page_token = listed.next_page_token
    assert held == orders
    assert newest == orders[::-1]
    assert not page.page_token
    assert not pages.page_token

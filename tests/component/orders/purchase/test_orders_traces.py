"""Traces of orders that a crash or a lost answer left in progress."""

from opentelemetry.trace import StatusCode

from tests.component.orders.shop import Shop, reaches, request
from tests.fixtures.tracing import Spans, arrives, joined

ORDERS = "orders.v1.OrdersService/"


async def test_work_resumed_after_a_crash_is_linked_to_the_trace_of_the_purchase(
    shop: Shop, spans: Spans
) -> None:
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    bought = await arrives(spans, f"{ORDERS}CreateOrder")
    admin = shop.databases.admin
    await admin.execute("set session_replication_role = replica")
    await admin.execute(
        "update orders.esim_orders set status = 'PROCESSING', recovery_point = 'PLACED',"
        " next_run_at = now()"
    )
    await admin.execute("set session_replication_role = default")
    spans.forget()
    async with shop.open():
        await reaches(shop, answer.order.id, "COMPLETED")
        resumed = await arrives(spans, "work on order")
    assert resumed.parent is None
    assert [link.context.trace_id for link in resumed.links] == [bought.context.trace_id]


async def test_a_lost_response_and_its_settlement_are_traced(shop: Shop, spans: Spans) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        await reaches(shop, answer.order.id, "COMPLETED")
        server = await arrives(spans, f"{ORDERS}CreateOrder")
    lost = spans.named("POST /orders")
    assert (lost.status.status_code, lost.status.description) == (
        StatusCode.ERROR,
        "PROVIDER_UNCLEAR",
    )
    assert lost.context.trace_id == server.context.trace_id
    happened = [e.name for s in spans.ended if s.name == "work on order" for e in s.events]
    assert happened.index("outcome unclear") < happened.index("found at the provider")
    await joined(spans)

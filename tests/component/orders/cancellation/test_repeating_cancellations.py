"""A cancellation is safe to repeat while it runs: all calls answer as the one that revokes the bundles."""

import asyncio

import grpc
import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.cancellation.cancelling import REFUNDED, bought, cancel, states
from tests.component.orders.cancellation.held_provider import through_proxy
from tests.component.orders.shop import Shop
from tests.fixtures.patience import until
from tests.fixtures.rpc.refusals import reason_of

# The reads of the check that all bundles are unused, and the validation of each revocation.
READ, VALIDATION = ("GET", "/bundles"), ("DELETE", "")


@pytest.mark.parametrize("step", [READ, VALIDATION], ids=["read", "validation"])
async def test_a_call_that_began_before_another_one_cancelled_the_order_answers_the_same(
    shop: Shop, step: tuple[str, str]
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with through_proxy(shop) as (orders, provider):
        order = await bought(shop, orders, buyer, quantity=2)
        held = provider.hold(*step)
        slow = asyncio.ensure_future(cancel(orders, order, buyer))
        await held.arrived.wait()
        first = await cancel(orders, order, buyer)
        assert first.order.status == REFUNDED
        held.release.set()
        assert await slow == first
    assert states(shop, order) == ["revoked"] * 2
    assert sum(entry.kind == "refund" for entry in shop.sandbox.world.ledger) == 2
    assert shop.esims.cancelled == [order.id]


@pytest.mark.parametrize("step", [READ, VALIDATION], ids=["read", "validation"])
async def test_a_call_that_is_refused_while_another_one_revokes_answers_the_same(
    shop: Shop, step: tuple[str, str]
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with through_proxy(shop) as (orders, provider):
        order = await bought(shop, orders, buyer)
        held = provider.hold(*step)
        slow = asyncio.ensure_future(cancel(orders, order, buyer))
        await held.arrived.wait()
        # All bundles are revoked, but the cancellation can't end without the esims service.
        shop.esims.may_answer.clear()
        fast = asyncio.ensure_future(cancel(orders, order, buyer))
        await until(lambda: states(shop, order) == ["revoked"])
        held.release.set()
        await held.answered.wait()
        shop.esims.may_answer.set()
        first, second = await asyncio.gather(fast, slow)
    assert first == second
    assert first.order.status == REFUNDED


async def test_a_call_examines_again_what_a_partly_refused_cancellation_has_left(
    shop: Shop,
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with through_proxy(shop) as (orders, provider):
        order = await bought(shop, orders, buyer, quantity=2)
        held = provider.hold(*READ)
        slow = asyncio.ensure_future(cancel(orders, order, buyer))
        await held.arrived.wait()
        # Each of the two is validated once, then the first revocation is refused.
        await shop.fault(method="DELETE", path="/esims/*/bundles/*", status=400, skip=2)
        part = await cancel(orders, order, buyer)
        assert part.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert len(part.revoked) == 1
        held.release.set()
        rest = await slow
    assert len(rest.revoked) == 2
    assert states(shop, order) == ["revoked"] * 2


async def test_an_order_that_no_call_has_cancelled_is_still_refused(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        await shop.fault(method="DELETE", path="/esims/*/bundles/*", status=400, count=0)
        answers = await asyncio.gather(
            *(cancel(orders, order, buyer) for _ in range(4)), return_exceptions=True
        )
    refused = [a for a in answers if isinstance(a, grpc.aio.AioRpcError)]
    assert [reason_of(one) for one in refused] == ["ORDER_NOT_CANCELLABLE"] * 4


async def test_many_calls_at_once_answer_the_same(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
        answers = await asyncio.gather(*(cancel(orders, order, buyer) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].order.status == REFUNDED
    assert sum(entry.kind == "refund" for entry in shop.sandbox.world.ledger) == 2

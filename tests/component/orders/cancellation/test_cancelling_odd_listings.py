"""Cancelling orders whose bundles the provider lists with placeholders, twice, or beside odd ones."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2
from tests.component.orders.cancellation.cancelling import (
    REFUNDED,
    WHOLE,
    assignments,
    bought,
    cancel,
    preview,
    states,
)
from tests.component.orders.shop import Shop
from tests.fixtures.rpc.refusals import reason_of

ODD_ROWS: list[Callable[[dict[str, Any]], list[Any]]] = [
    lambda row: [row | {"startTime": "0001-01-01T00:00:00Z", "endTime": "0001-01-01T00:00:00Z"}],
    lambda row: [row | {"remainingQuantity": -1}],
    lambda row: [row, row],
]
ODD_BUNDLES: list[Any] = [
    {"name": "another", "assignments": [None]},
    {"name": "another", "assignments": [{"bundleState": "queued", "assignmentReference": "x-0"}]},
]


async def odd_listings(
    shop: Shop, order: orders_pb2.Order, odd: Callable[[dict[str, Any]], list[Any]]
) -> None:
    """Make the provider list the bundles of an order in an odd way."""
    key = {"X-API-Key": shop.settings.provider.api_key}
    for bought_here in assignments(shop, order):
        path = f"/esims/{bought_here.iccid}/bundles"
        async with shop.http.get(f"{shop.sandbox.url}{path}", headers=key) as answer:
            [listed] = (await answer.json())["bundles"]
        rows = [each for row in listed["assignments"] for each in odd(row)]
        body = {"bundles": [listed | {"assignments": rows}]}
        await shop.fault(method="GET", path=path, status=200, body=body, count=0)


@pytest.mark.parametrize("odd", ODD_ROWS)
async def test_the_preview_of_an_order_in_an_odd_listing_equals_the_refund(
    shop: Shop, odd: Callable[[dict[str, Any]], list[Any]]
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
        balance = shop.sandbox.world.account.balance
        await odd_listings(shop, order, odd)
        found = await preview(orders, buyer, order)
        assert (found.extent, len(found.bundles)) == (WHOLE, 2)
        assert money.from_proto(found.refund_total) == money.from_proto(order.total_price)
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == REFUNDED
    assert states(shop, order) == ["revoked"] * 2
    refund = shop.sandbox.world.account.balance - balance
    assert refund == money.from_proto(found.refund_total)


@pytest.mark.parametrize("odd", ["", "..", "a\nb"])
async def test_an_id_that_no_path_can_contain_is_a_fault_of_the_provider(
    shop: Shop, odd: str
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        await odd_listings(shop, order, lambda row: [row | {"id": odd}])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await cancel(orders, order, buyer)
    assert reason_of(caught.value) == "PROVIDER_BAD_ANSWER"
    assert states(shop, order) == ["queued"]


@pytest.mark.parametrize("other", ODD_BUNDLES)
async def test_an_unreadable_bundle_of_another_plan_does_not_prevent_the_cancellation(
    shop: Shop, other: Any
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        [own] = assignments(shop, order)
        queued = {"id": own.id, "bundleState": "queued", "assignmentReference": own.reference}
        listed = {"name": own.bundle, "assignments": [queued]}
        listing = {"method": "GET", "path": f"/esims/{own.iccid}/bundles", "status": 200}
        # Listed in the preview and before the revoke, but not after it.
        await shop.fault(**listing, body={"bundles": [other, listed]}, count=2)
        await shop.fault(**listing, body={"bundles": [other]}, count=0)
        assert (await preview(orders, buyer, order)).extent == WHOLE
        # The response to the revoke is lost, so the service looks for the bundle in the list.
        lost = {"path": "/esims/*/bundles/*", "drop": True, "effect": "done", "skip": 1}
        await shop.fault(method="DELETE", **lost)
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == REFUNDED
    assert states(shop, order) == ["revoked"]


@pytest.mark.parametrize("status", [404, 410])
async def test_an_esim_deleted_at_the_provider_ends_its_cancellation(
    shop: Shop, status: int
) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer, quantity=2)
        deleted, left = (one.iccid for one in assignments(shop, order))
        # Deleted after the checks, which read and validate its bundle once.
        gone = {"status": status, "count": 0, "skip": 1}
        await shop.fault(method="DELETE", path=f"/esims/{deleted}/bundles/*", **gone)
        await shop.fault(method="GET", path=f"/esims/{deleted}/bundles", **gone)
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
    assert [one.iccid for one in answer.revoked] == [left]
    assert "1 of 2 bundles were cancelled" in answer.order.status_reason


async def test_a_forbidden_call_is_repeated_until_it_is_allowed_again(shop: Shop) -> None:
    """As while the API key is replaced: nothing is known of the bundle."""
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        # After the checks, which read and validate the bundle once: the revoke and the read that follows.
        forbidden = {"status": 403, "skip": 1}
        await shop.fault(method="DELETE", path="/esims/*/bundles/*", **forbidden)
        await shop.fault(method="GET", path="/esims/*/bundles", **forbidden)
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == REFUNDED
    assert states(shop, order) == ["revoked"]


async def test_a_revoke_whose_answer_was_lost_is_not_given_up_if_its_esim_seems_deleted(
    shop: Shop,
) -> None:
    """It may have succeeded, so its refund is looked up once the eSIM is found again."""
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        order = await bought(shop, orders, buyer)
        # After the checks, which read and validate the bundle once.
        lost = {"drop": True, "effect": "done", "skip": 1}
        await shop.fault(method="DELETE", path="/esims/*/bundles/*", **lost)
        gone = {"status": 404, "skip": 1}
        await shop.fault(method="GET", path="/esims/*/bundles", **gone)
        answer = await cancel(orders, order, buyer)
    assert answer.order.status == REFUNDED
    assert states(shop, order) == ["revoked"]

"""Purchases while price rules change, and while the catalogue has the previous release."""

import asyncio
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import grpc

from kit.values import money, timestamps
from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from protos.orders.v1 import orders_pb2
from tests.component.orders.prices.price_lists import LISTS, Seller
from tests.component.orders.real_peers import platform
from tests.component.orders.shop import Shop, request
from tests.fixtures.rpc.refusals import failure_of

BUYERS = 6
CHANGES = 10
# CHANGING_MINUTES=60 goes on for an hour, with a round every PAUSE seconds; raise pytest's --timeout for it.
MINUTES = float(os.environ.get("CHANGING_MINUTES", "0"))
PAUSE = 4.0
# A buyer repeats a call that failed so, under the same key: a slow machine is no fault of a price.
REPEATED = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
PRICES = """
select *, null::timestamptz as valid_to from catalogue.plan_prices where plan_id = $1
union all
select * from catalogue.plan_price_history where plan_id = $1
"""


async def test_every_order_has_a_price_that_was_listed_when_it_was_bought(shop: Shop) -> None:
    await shop.control("balance", set=10_000_000)  # enough for all purchases
    name = shop.catalogue.bundles[shop.plan_id].name
    await shop.control("catalogue/price", name=name, price=1.37)
    async with platform(shop) as running:
        seller = await Seller.open(running)
        began: dict[str, datetime] = {}
        ended: dict[int, datetime] = {}

        async def buying(buyer: Any, number: int) -> None:
            at = datetime.now(UTC)
            wanted = {
                "currency": LISTS[number % len(LISTS)].currency,
                "quantity": 1 + number % 3,
                "idempotency_key": str(uuid4()),
            }
            while True:
                try:
                    order = await seller.buy(buyer, **wanted)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in REPEATED:
                        raise
                else:
                    began[order.id] = at
                    return

        end, number = asyncio.get_running_loop().time() + 60 * MINUTES, 0
        while number < CHANGES or asyncio.get_running_loop().time() < end:
            # Sessions end after an hour.
            buyers = [await shop.session(f"{buyer}@example.com") for buyer in range(BUYERS)]
            change = asyncio.ensure_future(seller.mark_up(str(150 + number % 7 * 50)))
            await asyncio.gather(*(buying(one, number + n) for n, one in enumerate(buyers)))
            # One of them goes on until the change is over, so that some purchases meet its end.
            while not change.done():
                await buying(buyers[0], len(began))
            await change
            ended[seller.version] = datetime.now(UTC)
            number += 1
            await asyncio.sleep(PAUSE if MINUTES else 0)
    await shop.databases.until(
        "select every(status = 'COMPLETED') from orders.esim_orders"
    )  # also those whose buyer had no answer in time
    rows = await shop.databases.admin.fetch("select * from orders.esim_orders")
    prices = await shop.databases.admin.fetch(PRICES, UUID(seller.plan.id))
    versions = {row["rule_version"] for row in rows}
    assert len(rows) == shop.charges == len(began) >= BUYERS * number
    assert len(versions) >= number
    for row in rows:
        listed = [
            price
            for price in prices
            if (price["price_list"], price["plan_id"]) == (row["price_list"], row["plan_id"])
            and price["rule_version"] == row["rule_version"]
        ]
        [price] = listed
        assert (row["unit_price"], row["currency"]) == (price["retail"], price["currency"])
        assert row["expected_cost"] == row["quantity"] * price["cost"]
        assert (row["exchange_rate"], row["tax_rate"]) == (
            price["exchange_rate"],
            price["tax_rate"],
        )
        assert price["valid_from"] <= row["created_at"]
        if price["valid_to"] is not None:
            # It was replaced by this price, which others saw when the change was committed.
            [later] = [
                one["rule_version"]
                for one in prices
                if one["valid_from"] == price["valid_to"]
                and (one["price_list"], one["plan_id"]) == (price["price_list"], price["plan_id"])
            ]
            assert began[str(row["id"])] <= ended[later]


class OldCatalogue(catalogue_pb2_grpc.CatalogueServiceServicer):
    """A catalogue of the previous release: it has no prices service."""

    def __init__(self, shop: Shop) -> None:
        self._bundles = shop.catalogue.bundles

    async def GetPlan(self, request: Any, context: Any) -> catalogue_pb2.GetPlanResponse:
        bundle = self._bundles[request.id]
        return catalogue_pb2.GetPlanResponse(
            plan=catalogue_pb2.DataPlan(
                id=request.id,
                name=bundle.name,
                price=money.to_proto(bundle.price, "USD"),
                available_quantity=10,
            ),
            confirmed_at=timestamps.to_proto(datetime.now(UTC))
            if request.tell_confirmed_at
            else None,
        )


async def test_during_an_upgrade_plans_are_read_from_a_catalogue_of_the_previous_release(
    shop: Shop,
) -> None:
    buyer = await shop.session("b@example.com")
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    catalogue_pb2_grpc.add_CatalogueServiceServicer_to_server(OldCatalogue(shop), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with shop.open(catalogue_address=f"127.0.0.1:{port}") as orders:
            order = (await orders.CreateOrder(request(shop, currency="USD"), metadata=buyer)).order
            other = request(shop, idempotency_key="2", currency="EUR")
            failure = await failure_of(orders.CreateOrder(other, metadata=buyer))
    finally:
        await server.stop(None)
    price = Decimal(str(shop.catalogue.bundles[shop.plan_id].price))
    assert order.status == orders_pb2.ORDER_STATUS_COMPLETED
    assert money.from_proto(order.total_price) == price
    assert failure.reason == "CATALOGUE_UNAVAILABLE"
    assert shop.charges == 1

"""Many equal purchases at once on two services, while the provider fails in every way it can."""

import asyncio
import random
from typing import Any

import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop, request

BUYERS = 10
FAULTS: list[dict[str, Any]] = [
    {"drop": True, "effect": "none"},
    {"drop": True, "effect": "done"},
    {"status": 500, "effect": "none"},
    {"status": 500, "effect": "done"},
    {"status": 503, "effect": "done", "headers": {"Retry-After": "1"}},
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"delay_seconds": 0.5},
]


@pytest.mark.parametrize("seed", range(3))
async def test_every_charge_belongs_to_one_order_and_every_order_to_one_charge(
    shop: Shop, seed: int
) -> None:
    rng = random.Random(seed)
    for _ in range(BUYERS):
        await shop.fault(
            method="POST", path="/orders", skip=rng.randint(0, 2), **rng.choice(FAULTS)
        )
    buyers = [await shop.session(f"b{i}@example.com") for i in range(BUYERS)]
    async with shop.open(settling=1.0) as one, shop.open(settling=1.0) as two:
        calls = []
        for buyer in buyers:
            # A client that retries, on any replica.
            calls += [s.CreateOrder(request(shop), metadata=buyer) for s in (one, two)]
        answers = await asyncio.gather(*calls)
        assert len({answer.order.id for answer in answers}) == BUYERS

        await shop.databases.until(
            "select count(*) = 0 from orders.esim_orders where status = 'PROCESSING'"
        )
    rows = await shop.databases.admin.fetch(
        "select id, status, provider_reference from orders.esim_orders"
    )
    sold = {order.reference for order in shop.sandbox.world.orders}
    owned = [row["provider_reference"] for row in rows if row["provider_reference"]]
    assert {row["status"] for row in rows} <= {"COMPLETED", "FAILED"}
    assert sorted(owned) == sorted(sold)
    assert shop.charges == len(owned) == sum(row["status"] == "COMPLETED" for row in rows)
    iccids = [
        e.iccid for registration in shop.esims.registered.values() for e in registration.esims
    ]
    assert len(iccids) == len(set(iccids)) == len(owned)
    completed = [a.order for a in answers if a.order.status == orders_pb2.ORDER_STATUS_COMPLETED]
    assert {order.reference for order in completed} <= sold

"""Every event in any order against the real service: finished orders don't change, none is paid twice."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import grpc
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Metadata, Shop, request
from tests.fixtures.patience import PATIENCE, until

FAULTS: list[dict[str, Any]] = [
    {},
    {"drop": True, "effect": "none"},
    {"drop": True, "effect": "done"},
    {"status": 500, "effect": "none"},
    {"status": 500, "effect": "done"},
    {"status": 400, "body": {"message": "no"}},
    {"status": 429, "headers": {"Retry-After": "0"}},
]
FINISHED = ("FAILED", "CANCELLED", "REFUNDED")
WHICH = st.integers(0, 5)


class Events(RuleBasedStateMachine):
    """Buyers, provider faults, the provider's portal and operators, each at any moment."""

    shop: Shop
    orders: Any
    buyer: Metadata
    operator: Metadata
    loop: asyncio.AbstractEventLoop
    keys: "list[str]"

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []
        self.ended: dict[str, str] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        # Longer than its inner waits, whose errors say what did not happen.
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(2 * PATIENCE)

    async def call(self, method: Any, message: Any, who: Metadata) -> Any:
        """Return the answer; None for a refusal, which is an answer too."""
        with suppress(grpc.aio.AioRpcError):
            return await method(message, metadata=who)

    @rule(fault=st.sampled_from(FAULTS), lookup=st.booleans())
    def buy(self, fault: dict[str, Any], lookup: bool) -> None:
        async def work() -> None:
            if fault:
                await self.shop.fault(method="POST", path="/orders", **fault)
            if lookup:
                await self.shop.fault(
                    method="GET", path="/orders", status=429, headers={"Retry-After": "0"}
                )
            self.keys.append(f"key-{len(self.keys)}")
            wanted = request(self.shop, idempotency_key=self.keys[-1])
            answer = await self.orders.CreateOrder(wanted, metadata=self.buyer)
            self.made.append(answer.order.id)

        self.run(work())

    @rule()
    def buy_in_the_portal(self) -> None:
        async def work() -> None:
            name = self.shop.catalogue.bundles[self.shop.plan_id].name
            line = {"type": "bundle", "item": name, "quantity": 1}
            async with self.shop.http.post(
                f"{self.shop.sandbox.url}/orders",
                json={"type": "transaction", "assign": True, "order": [line]},
                headers={"X-API-Key": self.shop.settings.provider.api_key},
            ) as answer:
                await answer.read()  # a fault that delays may strike it

        self.run(work())

    @precondition(lambda self: self.made)
    @rule(which=WHICH, unused_only=st.booleans())
    def cancel(self, which: int, unused_only: bool) -> None:
        wanted = orders_pb2.CancelOrderRequest(
            order_id=self.made[which % len(self.made)], unused_only=unused_only
        )
        self.run(self.call(self.orders.CancelOrder, wanted, self.buyer))

    @precondition(lambda self: self.made)
    @rule(which=WHICH)
    def resume(self, which: int) -> None:
        wanted = orders_pb2.ResumeOrderRequest(order_id=self.made[which % len(self.made)])
        self.run(self.call(self.orders.ResumeOrder, wanted, self.operator))

    @precondition(lambda self: self.made)
    @rule(which=WHICH, how=st.sampled_from(["placed_as", "not_bought", "paid_back"]))
    def resolve(self, which: int, how: str) -> None:
        sold = [order.reference for order in self.shop.sandbox.world.orders]
        value: Any = sold[which % len(sold)] if how == "placed_as" and sold else True
        if how == "placed_as" and value is True:
            return
        wanted = orders_pb2.ResolveOrderRequest(
            order_id=self.made[which % len(self.made)], note="tried", **{how: value}
        )
        self.run(self.call(self.orders.ResolveOrder, wanted, self.operator))

    @invariant()
    def finished_orders_stay_and_each_payment_serves_one(self) -> None:
        async def work() -> None:
            rows = await self.shop.databases.admin.fetch(
                "select o.id::text, o.status, o.provider_reference, o.failure_reason,"
                " o.next_run_at, o.cancel_requested_at, o.lease_owner,"
                " (select count(*) from orders.order_attempts a where a.order_id = o.id"
                "  and a.outcome = 'PLACED') as placed from orders.esim_orders o"
            )
            references = [r["provider_reference"] for r in rows if r["provider_reference"]]
            assert len(references) == len(set(references))
            assert set(references) <= {o.reference for o in self.shop.sandbox.world.orders}
            for row in rows:
                assert row["placed"] == (row["provider_reference"] is not None)
                # An order without open work has no lease, and one with open work always has one.
                cancelling = row["status"] == "COMPLETED" and row["cancel_requested_at"] is not None
                working = row["status"] == "PROCESSING" or cancelling
                assert (row["next_run_at"] is not None) == working
                assert working or row["lease_owner"] is None
                was = self.ended.get(row["id"])
                assert was is None or was == row["status"]
                if row["status"] in FINISHED:
                    self.ended[row["id"]] = row["status"]
                if row["status"] == "FAILED":
                    paid_back = row["failure_reason"] == "PAID_BACK"
                    assert paid_back == (row["provider_reference"] is not None)

        self.run(work())

    def teardown(self) -> None:
        """No order stays in progress for ever."""

        async def rest() -> bool:
            left = await self.shop.databases.admin.fetchval(
                "select count(*) from orders.esim_orders where status = 'PROCESSING'"
            )
            return bool(left == 0)

        self.run(until(rest))


async def test_events_in_any_order_preserve_the_invariants(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    operator = await shop.session("ops@example.com", admin=True)
    async with shop.open(settling=0.2, purchase_wait=0.3, clock_tolerance=5.0) as orders:
        values = {
            "shop": shop,
            "orders": orders,
            "buyer": buyer,
            "operator": operator,
            "loop": asyncio.get_running_loop(),
            "keys": [],
        }
        machine: type[Events] = type("Playing", (Events,), values)
        await asyncio.to_thread(
            run_machine,
            machine,
            settings=settings(
                max_examples=10,
                stateful_step_count=12,
                database=None,
                phases=[Phase.generate],  # without shrinking: each run costs seconds
                suppress_health_check=list(HealthCheck),
            ),
        )

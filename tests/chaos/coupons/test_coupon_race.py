"""A coupon with a limit, 200 concurrent buyers, and two orders processes, one of which is killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest

from cli.local import probes
from kit.rpc import client as rpc_client
from kit.rpc.errors import from_error
from kit.values import money
from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from protos.orders.v1 import coupons_pb2, coupons_pb2_grpc, orders_pb2, orders_pb2_grpc
from tests.chaos.purchase.machine import KillableProcess, Machine, running
from tests.fixtures.free_ports import free_ports
from tests.fixtures.patience import PATIENCE, until

BUYERS = 200
USES = 10
# Uses that are reserved when the process is killed.
KILL_AT = 5
SETTINGS = {
    # An unclear purchase is settled soon after the process died.
    "ORDERS_SETTLING_SECONDS": "5",
    "ORDERS_CLOCK_TOLERANCE_SECONDS": "1",
    "ORDERS_TAKEOVER_SECONDS": "2",
    "ORDERS_RECOVERY_SECONDS": "0.25",
    "ORDERS_PURCHASE_WAIT": "3",
}
CODE = "RACE"
Row = dict[str, Any]


@dataclass
class Race:
    """The two orders processes, by their channels, and the outcomes of all buyers."""

    machine: Machine
    processes: list[KillableProcess]
    channels: list[grpc.aio.Channel]
    plan: catalogue_pb2.DataPlan
    key: str
    outcomes: Counter[str] = field(default_factory=Counter)

    async def call(self, stub: Any, method: str, request: Any, process: int) -> Any:
        return await rpc_client.call(
            getattr(stub(self.channels[process]), method), request, token=self.key, timeout=PATIENCE
        )

    async def buy(self, process: int) -> None:
        """Buy for a new customer, and repeat the call with the same key until there is a response."""
        order = orders_pb2.CreateOrderRequest(
            plan_id=self.plan.id, quantity=1, idempotency_key="once", coupon_code=CODE
        )
        request = orders_pb2.CreateOrderForCustomerRequest(customer_id=str(uuid4()), order=order)
        metadata = (("authorization", f"Bearer {self.key}"),)
        while True:
            stub = orders_pb2_grpc.OrdersServiceStub(self.channels[process])
            try:
                await stub.CreateOrderForCustomer(request, metadata=metadata, timeout=PATIENCE)
            except grpc.aio.AioRpcError as error:
                reason = from_error(error).reason
                if reason == "COUPON_NOT_VALID":
                    self.outcomes[reason] += 1
                    return
                self.outcomes["repeated"] += 1
                await asyncio.sleep(0.2)  # the process was killed, or is too busy
            else:
                self.outcomes["bought"] += 1
                return

    async def coupon(self) -> Row:
        """Return the coupon's row, with what its redemptions and orders add up to."""
        async with self.machine.database() as connection:
            row = await connection.fetchrow(
                """
                select c.used, c.reserved, c.spent, c.reserved_amount,
                    (select count(*) from orders.coupon_redemptions where state = 'COMMITTED')
                        as committed,
                    (select count(*) from orders.coupon_redemptions where state = 'RESERVED')
                        as reserved_redemptions,
                    (select coalesce(sum(amount), 0) from orders.coupon_redemptions
                        where state = 'COMMITTED') as amount,
                    (select count(*) from orders.esim_orders where status = 'COMPLETED')
                        as completed,
                    (select count(*) from orders.esim_orders
                        where status in ('PROCESSING', 'NEEDS_REVIEW')) as unfinished
                from orders.coupons c where c.code = $1
                """,
                CODE,
            )
        assert row is not None
        return dict(row)


@asynccontextmanager
async def racing() -> AsyncIterator[Race]:
    """Run the platform with a second orders process."""
    async with running(SETTINGS) as machine:
        first = machine.killable["orders"]
        port, metrics_port = free_ports(2)
        own = {"ORDERS_PORT": str(port), "ORDERS_METRICS_PORT": str(metrics_port)}
        program = replace(
            first.program,
            name="orders-2",
            environment={**first.program.environment, **own},
            ready=partial(probes.rpc, f"127.0.0.1:{port}"),
        )
        second = KillableProcess(program, machine.log.write)
        await second.start()
        try:
            await second.ready()
            async with (
                rpc_client.channel(machine.addresses["orders"]) as to_first,
                rpc_client.channel(f"127.0.0.1:{port}") as to_second,
                rpc_client.channel(machine.addresses["catalogue"]) as to_catalogue,
            ):
                key = first.program.environment["SUPABASE_SERVICE_ROLE_KEY"]
                plan = await _plan(catalogue_pb2_grpc.CatalogueServiceStub(to_catalogue))
                yield Race(machine, [first, second], [to_first, to_second], plan, key)
        finally:
            await second.stop()


async def _plan(catalogue: Any) -> catalogue_pb2.DataPlan:
    """Return a plan on sale, as soon as the catalogue is synced."""
    request = catalogue_pb2.ListPlansRequest(page_size=1)
    found: list[catalogue_pb2.DataPlan] = []

    async def is_on_sale() -> bool:
        found[:] = (await catalogue.ListPlans(request)).plans
        return bool(found)

    await until(is_on_sale)
    return found[0]


async def _kill_first_process(race: Race) -> None:
    """Kill the first process when half of the uses are reserved, and start it again."""
    connection = await asyncpg.connect(race.machine.database_url)
    try:
        query = "select count(*) >= $1 from orders.coupon_redemptions"
        while not await connection.fetchval(query, KILL_AT):
            await asyncio.sleep(0.005)
    finally:
        await connection.close()
    await race.processes[0].kill()
    await race.processes[0].start()


@pytest.mark.slow
async def test_a_coupon_for_ten_orders_is_used_by_exactly_ten_of_200_despite_a_kill() -> None:
    async with racing() as race:
        tenth = money.to_proto(Decimal("0.10"), "USD")
        coupon = coupons_pb2.Coupon(code=CODE, amount=tenth, max_loss=tenth, max_uses=USES)
        await race.call(
            coupons_pb2_grpc.CouponsServiceStub,
            "CreateCoupon",
            coupons_pb2.CreateCouponRequest(coupon=coupon),
            1,
        )
        # The provider takes a while, so that the process is killed with purchases in flight.
        await race.machine.control(
            "POST", "/faults", {"method": "POST", "path": "/orders", "delay_seconds": 1, "count": 0}
        )
        await asyncio.gather(
            _kill_first_process(race), *(race.buy(number % 2) for number in range(BUYERS))
        )
        assert race.outcomes["bought"] == USES
        assert race.outcomes["COUPON_NOT_VALID"] == BUYERS - USES
        assert race.outcomes["repeated"] > 0  # by buyers of the process that was killed

        async def is_finished() -> bool:
            return bool((await race.coupon())["unfinished"] == 0)

        await until(is_finished)
        found = await race.coupon()
        assert (found["used"], found["reserved"]) == (USES, 0)
        assert (found["committed"], found["reserved_redemptions"], found["completed"]) == (
            USES,
            0,
            USES,
        )
        assert found["spent"] == found["amount"] == money.from_proto(tenth) * USES
        assert found["reserved_amount"] == 0
        assert not race.machine.log.errors

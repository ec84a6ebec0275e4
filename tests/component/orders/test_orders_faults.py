"""Purchases whose outcome is unclear, callers that go away, and services that die midway."""

import asyncio
from typing import Any

import grpc
import pytest

from kit.errors import Failure, Kind
from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import AWAY, Shop, request, until

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED
PROCESSING = orders_pb2.ORDER_STATUS_PROCESSING


async def outcomes(shop: Shop) -> list[str]:
    rows = await shop.databases.admin.fetch(
        "select outcome from orders.order_attempts order by started_at"
    )
    return [row["outcome"] for row in rows]


async def reaches(shop: Shop, order_id: str, status: str) -> None:
    async def reached() -> bool:
        return await shop.stored_status(order_id) == status

    await until(reached)


async def is_explained(shop: Shop, order_id: str, words: str) -> None:
    async def explained() -> bool:
        return words in (await shop.row(order_id))["status_reason"]

    await until(explained)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}, {"status": 503}])
async def test_an_order_that_took_effect_in_the_dark_is_found_and_not_repeated(
    shop: Shop, fault: dict[str, Any]
) -> None:
    await shop.fault(method="POST", path="/orders", effect="done", **fault)
    async with shop.open(settling=60.0) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == COMPLETED
    assert shop.charges == 1
    assert await outcomes(shop) == ["PLACED"]


async def test_an_order_that_took_no_effect_is_placed_again_once_that_is_sure(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="none")
    async with shop.open(settling=0.5) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == COMPLETED
    assert shop.charges == 1
    assert await outcomes(shop) == ["ABSENT", "PLACED"]


async def test_a_provider_that_never_takes_it_fails_the_order_unpaid(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", status=500, count=0)
    async with shop.open(settling=0.2) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert answer.order.status == orders_pb2.ORDER_STATUS_FAILED
    assert "not been charged" in answer.order.status_reason
    assert await outcomes(shop) == ["ABSENT", "ABSENT"]
    assert shop.charges == 0


async def test_until_the_outcome_is_sure_the_order_is_processing(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="none")
    async with shop.open(settling=3600.0, purchase_wait=0.5) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == PROCESSING
        await is_explained(shop, answer.order.id, "being checked")
    assert await outcomes(shop) == ["UNCLEAR"]
    assert shop.charges == 0


async def test_more_orders_than_attempts_are_left_to_a_person(shop: Shop) -> None:
    bundle = shop.catalogue.bundles[shop.plan_id].name
    buyer = await shop.session("b@example.com")
    body = {
        "type": "transaction",
        "assign": True,
        "order": [{"type": "bundle", "quantity": 1, "item": bundle}],
    }
    # Somebody buys the same by other means of the organisation.
    headers = {"X-API-Key": "sandbox-api-key"}
    async with shop.http.post(f"{shop.sandbox.url}/orders", json=body, headers=headers) as bought:
        assert bought.status == 200
    await shop.fault(method="POST", path="/orders", drop=True, effect="done")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(request(shop), metadata=buyer)
        shown = await orders.GetOrder(
            orders_pb2.GetOrderRequest(order_id=answer.order.id), metadata=shop.service_key
        )
        processing = orders_pb2.OrderFilter(statuses=[PROCESSING])
        listed = await orders.ListOrders(
            orders_pb2.ListOrdersRequest(filter=processing), metadata=buyer
        )
    assert list(listed.orders) == [answer.order]
    assert answer.order.status == PROCESSING
    assert not answer.order.needs_review
    assert shown.order.needs_review
    assert shop.charges == 2
    assert await outcomes(shop) == ["UNCLEAR"]


async def test_equal_orders_in_the_dark_are_told_apart_by_number(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", drop=True, effect="done", count=2)
    await shop.fault(method="POST", path="/orders", drop=True, effect="none", count=1)
    buyers = [await shop.session(f"b{i}@example.com") for i in range(3)]
    async with shop.open(settling=1.0) as orders:
        answers = await asyncio.gather(
            *(orders.CreateOrder(request(shop), metadata=buyer) for buyer in buyers)
        )
        for answer in answers:
            await reaches(shop, answer.order.id, "COMPLETED")
    assert shop.charges == 3
    references = await shop.databases.admin.fetch(
        "select distinct provider_reference from orders.esim_orders"
    )
    assert len(references) == 3


async def test_a_caller_that_goes_away_does_not_stop_its_order(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", delay_seconds=1)
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        call = orders.CreateOrder(request(shop), metadata=buyer)

        async def asked() -> bool:
            return await outcomes(shop) == ["OPEN"]

        await until(asked)
        call.cancel()
        [row] = await shop.databases.admin.fetch("select id from orders.esim_orders")
        await reaches(shop, str(row["id"]), "COMPLETED")
    assert shop.charges == 1


async def test_a_short_deadline_answers_processing_and_the_order_completes(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", delay_seconds=5)
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com"), timeout=4
        )
        assert answer.order.status == PROCESSING
        await reaches(shop, answer.order.id, "COMPLETED")
    assert shop.charges == 1


async def test_a_stopping_service_waits_for_the_purchase_on_its_way(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", delay_seconds=1.5)
    async with shop.open(purchase_wait=0.2) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == PROCESSING
    assert await shop.stored_status(answer.order.id) == "COMPLETED"
    assert shop.charges == 1


async def test_esims_are_registered_once_their_service_is_back(shop: Shop) -> None:
    shop.esims.failure = AWAY
    async with shop.open(purchase_wait=1.0) as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
        assert answer.order.status == PROCESSING
        await is_explained(shop, answer.order.id, "Bought; the eSIMs are being entered")
        shop.esims.failure = None
        await reaches(shop, answer.order.id, "COMPLETED")
    assert list(shop.esims.registered) == [answer.order.id]
    assert shop.charges == 1


async def left_at(shop: Shop, *statements: str) -> str:
    """A finished order put back as a process that died would have left it."""
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    admin = shop.databases.admin
    await admin.execute("alter table orders.esim_orders disable trigger check_status_change")
    for statement in statements:
        await admin.execute(statement)
    await admin.execute(
        "update orders.esim_orders set status = 'PROCESSING', next_run_at = now(),"
        " lease_owner = gen_random_uuid(), leased_until = now()"
    )
    await admin.execute("alter table orders.esim_orders enable trigger check_status_change")
    shop.esims.registered.clear()
    return str(answer.order.id)


NO_ATTEMPTS = "delete from orders.order_attempts"
OPEN_ATTEMPTS = "update orders.order_attempts set outcome = 'OPEN', ended_at = null"
NO_ESIMS = "delete from orders.order_esims"
AT_PLACED = "update orders.esim_orders set status = 'PROCESSING', recovery_point = 'PLACED'"
NO_ANSWER = (
    "update orders.esim_orders set status = 'PROCESSING', recovery_point = 'ATTEMPTED',"
    " provider_reference = null, placed_at = null"
)
AT_CLAIMED = "update orders.esim_orders set recovery_point = 'CLAIMED'"


@pytest.mark.parametrize(
    ("statements", "charges"),
    [
        # Never asked: bought now, beside the purchase that made the row of this test.
        ([NO_ESIMS, NO_ATTEMPTS, NO_ANSWER, AT_CLAIMED], 2),
        # Asked, and the answer was never recorded: it is found.
        ([NO_ESIMS, OPEN_ATTEMPTS, NO_ANSWER], 1),
        ([NO_ESIMS, AT_PLACED], 1),
        ([AT_PLACED], 1),
    ],
    ids=["claimed", "attempted", "placed", "delivered"],
)
async def test_resumes_from_every_recovery_point(
    shop: Shop, statements: list[str], charges: int
) -> None:
    order_id = await left_at(shop, *statements)
    async with shop.open():
        await reaches(shop, order_id, "COMPLETED")
    assert len(shop.esims.registered[order_id].esims) == 1
    assert shop.charges == charges


async def test_a_claim_that_nobody_waits_for_any_more_is_not_bought(shop: Shop) -> None:
    order_id = await left_at(shop, NO_ESIMS, NO_ATTEMPTS, NO_ANSWER, AT_CLAIMED)
    await shop.databases.admin.execute(
        "update orders.esim_orders set created_at = now() - interval '61 minutes'"
    )
    async with shop.open():
        await reaches(shop, order_id, "FAILED")
    assert shop.charges == 1  # of the purchase that made the row


async def test_asking_again_does_not_hurry_an_order_that_waits(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "600"})
    async with shop.open() as orders:
        for _ in range(3):
            answer = await orders.CreateOrder(request(shop), metadata=buyer)
            assert answer.order.status == PROCESSING
    assert await outcomes(shop) == ["NOT_SENT"]


async def test_a_provider_that_takes_nothing_fails_the_order_after_some_attempts(
    shop: Shop,
) -> None:
    order_id = await left_at(shop, NO_ESIMS, NO_ATTEMPTS, NO_ANSWER, AT_CLAIMED)
    # The first four of five, without their pauses.
    await shop.databases.admin.execute(
        "insert into orders.order_attempts (order_id, bundle_name, quantity, outcome, ended_at)"
        " select id, bundle_name, quantity, 'NOT_SENT', now()"
        " from orders.esim_orders, generate_series(1, 4)"
    )
    await shop.fault(method="POST", path="/orders", status=429, headers={"Retry-After": "1"})
    async with shop.open():
        await reaches(shop, order_id, "FAILED")
    assert "not been charged" in (await shop.row(order_id))["status_reason"]
    assert shop.charges == 1  # of the purchase that made the row


async def test_esims_that_never_come_are_left_to_a_person(shop: Shop) -> None:
    await shop.fault(method="GET", path="/orders/*", status=400, count=0)
    order_id = await left_at(shop, NO_ESIMS, AT_PLACED)
    await shop.databases.admin.execute(
        "update orders.esim_orders set placed_at = now() - interval '31 minutes'"
    )
    async with shop.open():
        await reaches(shop, order_id, "NEEDS_REVIEW")


async def test_esims_of_another_customer_are_left_to_a_person(shop: Shop) -> None:
    shop.esims.failure = Failure(Kind.CONFLICT, "ICCID_OF_ANOTHER_CUSTOMER", "not theirs")
    async with shop.open() as orders:
        answer = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert await shop.stored_status(answer.order.id) == "NEEDS_REVIEW"
    assert shop.charges == 1


async def test_resumes_from_registered(shop: Shop) -> None:
    order_id = await left_at(shop)
    async with shop.open():
        await reaches(shop, order_id, "COMPLETED")
    assert shop.esims.registered == {}
    assert shop.charges == 1


async def test_an_order_under_another_processs_lease_is_left_alone(shop: Shop) -> None:
    order_id = await left_at(shop)
    await shop.databases.admin.execute(
        "update orders.esim_orders set leased_until = now() + interval '1 hour'"
    )
    async with shop.open(purchase_wait=0.5) as orders:
        again = await orders.CreateOrder(
            request(shop), metadata=await shop.session("b@example.com")
        )
    assert again.repeated_request
    assert again.order.id == order_id
    assert again.order.status == PROCESSING


async def test_two_services_on_one_database_buy_once_and_both_wait_for_it(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", delay_seconds=1)
    buyer = await shop.session("b@example.com")
    async with shop.open() as one, shop.open() as two:
        answers = await asyncio.gather(
            *(o.CreateOrder(request(shop), metadata=buyer) for o in (one, two))
        )
    assert len({answer.order.id for answer in answers}) == 1
    assert [answer.order.status for answer in answers] == [COMPLETED, COMPLETED]
    assert shop.charges == 1


async def test_what_cannot_be_recorded_is_not_bought(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open() as orders:
        await shop.databases.admin.execute("revoke insert on orders.esim_orders from orders_system")
        with pytest.raises(grpc.aio.AioRpcError):
            await orders.CreateOrder(request(shop), metadata=buyer)
    assert shop.charges == 0

"""Disputes and early fraud warnings: recorded, posted and acted on, with and without events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments.disputes.settings import DisputeSettings
from tests.component.orders.payments.paid_shop import Open, PaidShop
from tests.component.orders.payments.provider_events import apply, event, service_key, unpaid
from tests.component.orders.refunds.bought import wanted
from tests.component.orders.stand_ins import AWAY
from tests.fixtures.rpc.refusals import refused

# Long enough that only events report anything.
NO_POLL = 3600.0


@asynccontextmanager
async def sold(
    shop: PaidShop,
    *,
    suspend: bool = False,
    refund: bool = False,
    poll: float = NO_POLL,
    **changes: Any,
) -> AsyncIterator[tuple[Open, str, Any]]:
    """Sell one order; yields the service, the order's id and the row of its payment."""
    settings = DisputeSettings(suspend=suspend, refund_warnings=refund, poll_every=poll)
    async with shop.open(disputes=settings, **changes) as service:
        order_id, row = await unpaid(service, shop)
        await shop.pay(row["intent_id"])
        await shop.due(order_id)
        await shop.reaches(order_id, "COMPLETED")
        yield service, order_id, await shop.payment(order_id)


async def dispute(shop: PaidShop, row: Any, **how: Any) -> str:
    """Open a dispute as the cardholder's bank does."""
    answer = await shop.provider.control("POST", f"/charges/{row['charge_id']}/dispute", how)
    return str(answer["id"])


async def send_event(service: Open, shop: PaidShop, kind: str, row: Any, object_id: str) -> None:
    outcomes = await apply(
        service,
        shop,
        event(
            kind, intent_id=row["intent_id"], charge_id=row["charge_id"] or "", object_id=object_id
        ),
    )
    assert outcomes == [pb.PAYMENT_EVENT_OUTCOME_APPLIED]


async def recorded(shop: PaidShop, dispute_id: str, status: str) -> Any:
    databases = shop.shop.databases
    await databases.until(
        "select coalesce((select status = $2 from orders.disputes where id = $1), false)",
        dispute_id,
        status,
    )
    return await databases.admin.fetchrow("select * from orders.disputes where id = $1", dispute_id)


async def postings(shop: PaidShop) -> list[str]:
    rows = await shop.shop.databases.admin.fetch(
        "select kind from orders.ledger_transactions where kind like 'DISPUTE%' order by kind"
    )
    return [row["kind"] for row in rows]


async def test_a_dispute_is_recorded_posted_and_shown(paid_shop: PaidShop) -> None:
    async with sold(paid_shop, suspend=True) as (service, order_id, row):
        dispute_id = await dispute(paid_shop, row)
        for _ in range(2):
            await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        found = await recorded(paid_shop, dispute_id, "needs_response")
        assert (found["amount"], found["withdrawn"]) == (row["amount"], True)
        assert found["respond_by"] is not None
        assert await postings(paid_shop) == ["DISPUTE"]
        await paid_shop.shop.databases.until(
            "select acted_at is not null from orders.payment_reports where id = $1", dispute_id
        )
        assert len(set(paid_shop.shop.esims.suspended)) == 1

        key = service_key(paid_shop)
        listed = await service.payments.ListDisputes(
            pb.ListDisputesRequest(open_only=True), metadata=key
        )
        [shown] = listed.disputes
        assert (shown.id, shown.order_id) == (dispute_id, order_id)
        payments = await service.payments.BatchGetPayments(
            pb.BatchGetPaymentsRequest(order_ids=[order_id]), metadata=key
        )
        assert payments.payments[0].disputed

        await paid_shop.provider.control(
            "POST", f"/disputes/{dispute_id}/resolve", {"status": "won"}
        )
        await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
        won = await recorded(paid_shop, dispute_id, "won")
        assert (won["withdrawn"], won["closed_at"] is not None) == (False, True)
        assert await postings(paid_shop) == ["DISPUTE", "DISPUTE_RETURN"]
        none = await service.payments.ListDisputes(
            pb.ListDisputesRequest(open_only=True), metadata=key
        )
        assert not none.disputes


async def test_what_a_dispute_has_withdrawn_is_not_refunded(paid_shop: PaidShop) -> None:
    buyer, key = await paid_shop.shop.session("b@example.com"), service_key(paid_shop)
    wallet = pb.REFUND_DESTINATION_WALLET
    async with sold(paid_shop) as (service, order_id, row):
        dispute_id = await dispute(paid_shop, row)
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        for request in (
            wanted(order_id),
            wanted(order_id, "0.5"),
            wanted(order_id, destination=wallet),
        ):
            call = service.payments.RefundOrder(request, metadata=key)
            assert await refused(call) == "PAYMENT_DISPUTED"
        ask = pb.BatchGetRefundableRequest(order_ids=[order_id])
        [offer] = (await service.payments.BatchGetRefundable(ask, metadata=buyer)).refundables
        assert (offer.amount.units, offer.amount.nanos, offer.reason) == (0, 0, "DISPUTED")
        cancel = orders_pb2.CancelOrderRequest(order_id=order_id)
        assert await refused(service.orders.CancelOrder(cancel, metadata=buyer)) == (
            "ORDER_NOT_REFUNDABLE"
        )
        assert (await paid_shop.payment(order_id))["refunded"] == 0

        resolved = {"status": "won"}
        await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/resolve", resolved)
        await send_event(service, paid_shop, "charge.dispute.closed", row, dispute_id)
        await recorded(paid_shop, dispute_id, "won")
        [offer] = (await service.payments.BatchGetRefundable(ask, metadata=buyer)).refundables
        assert offer.reason == ""
        await service.payments.RefundOrder(wanted(order_id, destination=wallet), metadata=key)
    payment = await paid_shop.payment(order_id)
    assert payment["refunded"] == payment["captured"]


async def test_an_inquiry_takes_nothing_and_suspends_nothing(paid_shop: PaidShop) -> None:
    async with sold(paid_shop, suspend=True) as (service, _, row):
        dispute_id = await dispute(paid_shop, row, inquiry=True)
        await send_event(service, paid_shop, "charge.dispute.created", row, dispute_id)
        await recorded(paid_shop, dispute_id, "warning_needs_response")
        assert await postings(paid_shop) == []
        assert paid_shop.shop.esims.suspended == []
        await paid_shop.provider.control("POST", f"/disputes/{dispute_id}/escalate", {})
        await send_event(service, paid_shop, "charge.dispute.funds_withdrawn", row, dispute_id)
        await recorded(paid_shop, dispute_id, "needs_response")
        await paid_shop.shop.databases.until(
            "select acted_at is not null from orders.payment_reports where id = $1", dispute_id
        )
        assert paid_shop.shop.esims.suspended


async def test_a_dispute_is_found_without_any_event(paid_shop: PaidShop) -> None:
    async with sold(paid_shop, poll=0.2) as (_, _, row):
        dispute_id = await dispute(paid_shop, row)
        await recorded(paid_shop, dispute_id, "needs_response")
        assert paid_shop.shop.esims.suspended == []


async def test_a_report_about_another_payment_is_not_recorded(paid_shop: PaidShop) -> None:
    async with sold(paid_shop) as (service, _, row):
        other_id, other = await unpaid(service, paid_shop, idempotency_key="another")
        dispute_id = await dispute(paid_shop, row)
        await send_event(service, paid_shop, "charge.dispute.created", other, dispute_id)
        await paid_shop.shop.databases.until(
            "select detail <> '' from orders.payment_reports where id = $1", dispute_id
        )
        count = await paid_shop.shop.databases.admin.fetchval(
            "select count(*) from orders.disputes"
        )
        assert count == 0
        assert other_id


async def test_a_warning_is_refunded_once_if_the_operator_wants_it(paid_shop: PaidShop) -> None:
    admin = paid_shop.shop.databases.admin
    async with sold(paid_shop, refund=True) as (service, _, row):
        warning = await paid_shop.provider.control(
            "POST", f"/charges/{row['charge_id']}/early-fraud-warning", {}
        )
        for _ in range(3):
            await send_event(
                service, paid_shop, "radar.early_fraud_warning.created", row, warning["id"]
            )
        await paid_shop.shop.databases.until(
            "select acted_at is not null from orders.payment_reports where id = $1", warning["id"]
        )
        await paid_shop.shop.databases.until("select state = 'SUCCEEDED' from orders.refunds")
        [refund] = await admin.fetch("select * from orders.refunds")
        assert (refund["reason"], refund["destination"]) == ("FRAUD_WARNING", "CARD")
        assert refund["amount"] == row["amount"]


async def test_a_warning_refunds_no_more_than_what_is_left(paid_shop: PaidShop) -> None:
    async with sold(paid_shop, refund=True) as (service, order_id, row):
        by_hand = wanted(order_id, "0.5", destination=pb.REFUND_DESTINATION_MANUAL)
        await service.payments.RefundOrder(by_hand, metadata=service_key(paid_shop))
        warning = await paid_shop.provider.control(
            "POST", f"/charges/{row['charge_id']}/early-fraud-warning", {}
        )
        await send_event(
            service, paid_shop, "radar.early_fraud_warning.created", row, warning["id"]
        )
        await paid_shop.shop.databases.until(
            "select coalesce((select state = 'SUCCEEDED' from orders.refunds"
            " where reason = 'FRAUD_WARNING'), false)"
        )
        payment = await paid_shop.payment(order_id)
        assert payment["refunded"] == payment["captured"]


async def test_a_warning_is_only_recorded_otherwise(paid_shop: PaidShop) -> None:
    admin = paid_shop.shop.databases.admin
    async with sold(paid_shop) as (service, _, row):
        warning = await paid_shop.provider.control(
            "POST", f"/charges/{row['charge_id']}/early-fraud-warning", {}
        )
        await send_event(
            service, paid_shop, "radar.early_fraud_warning.created", row, warning["id"]
        )
        await paid_shop.shop.databases.until(
            "select next_run_at is null from orders.payment_reports where id = $1", warning["id"]
        )
        assert await admin.fetchval("select count(*) from orders.refunds") == 0


async def test_evidence_has_what_is_known(paid_shop: PaidShop) -> None:
    async with sold(paid_shop) as (service, order_id, row):
        shop = paid_shop.shop
        [esim] = shop.esims.registered[order_id].esims
        listed = await shop.esims.BatchListOrderESIMs(
            esims_pb2.BatchListOrderESIMsRequest(order_ids=[order_id]), _Silent()
        )
        shop.esims.bundles = [
            esims_pb2.ESIMBundle(
                esim_id=listed.esims[0].id,
                name="esim_1GB",
                initial_bytes=1_000_000_000,
                remaining_bytes=250_000_000,
            )
        ]
        request = pb.GetDisputeEvidenceRequest(order_id=order_id)
        answer = await service.payments.GetDisputeEvidence(request, metadata=service_key(paid_shop))
        items = {item.field: item.text for item in answer.items}
        assert "750000000 of 1000000000 bytes were used" in items["access_activity_log"]
        assert "The eSIMs were added to the account." in items["access_activity_log"]
        assert items["service_date"].startswith("20")
        assert "4242" in items["uncategorized_text"]
        assert "14 days" in items["refund_policy_disclosure"]
        assert esim.matching_id not in "".join(items.values())
        shop.esims.failure = AWAY
        partial = await service.payments.GetDisputeEvidence(
            request, metadata=service_key(paid_shop)
        )
        log = next(i.text for i in partial.items if i.field == "access_activity_log")
        assert "could not be read" in log
        shop.esims.failure = None
        assert row["id"]


class _Silent:
    """A call of the stand-in from the test itself."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

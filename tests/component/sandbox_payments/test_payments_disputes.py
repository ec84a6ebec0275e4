"""Disputes, evidence, early fraud warnings and payouts."""

import io
from typing import Any

import pytest
import stripe

from tests.component.sandbox_payments.conftest import Endpoint
from tests.component.sandbox_payments.objects import booked, paid
from tests.fixtures.payments import WEBHOOK_SECRET, PaymentSandbox


async def test_a_dispute_withdraws_money_and_is_won(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    intent = await paid(client, payment_method="pm_card_createDispute")
    listed = await client.v1.disputes.list_async({"payment_intent": intent.id})
    [dispute] = listed.data
    assert (dispute.status, dispute.reason, dispute.amount) == (
        "needs_response",
        "fraudulent",
        1099,
    )
    assert not dispute.is_charge_refundable
    assert dispute.evidence_details.due_by == dispute.created + 10 * 86_400
    charge = await client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.disputed, charge.refunded) == (True, False)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"

    staged = await client.v1.disputes.update_async(
        dispute.id,
        {"evidence": {"customer_purchase_ip": "192.0.2.1"}, "submit": False},
    )
    assert staged.evidence_details.has_evidence
    assert (staged.status, staged.evidence_details.submission_count) == ("needs_response", 0)
    won = await client.v1.disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}}
    )
    assert (won.status, won.evidence_details.submission_count) == ("won", 1)
    assert won.evidence.customer_purchase_ip == "192.0.2.1"
    assert await booked(client, dispute.id) == [
        ("dispute", -1099, 1500, -2599),
        ("dispute_reversal", 1099, 0, 1099),
    ]
    assert [one.net for one in won.balance_transactions] == [-2599, 1099]
    await payment_provider.control("POST", "/drain")
    assert [one for one in endpoint.types(WEBHOOK_SECRET) if "dispute" in one] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]


async def test_evidence_is_submitted_once_with_files(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await paid(client)
    dispute = await payment_provider.control(
        "POST", f"/charges/{intent.latest_charge}/dispute", {"reason": "product_not_received"}
    )
    content = io.BytesIO(b"%PDF-1.7 ...")
    content.name = "receipt.pdf"
    file = await client.v1.files.create_async({"purpose": "dispute_evidence", "file": content})
    assert (file.type, file.size, file.purpose) == ("pdf", 12, "dispute_evidence")
    evidence: Any = {"receipt": file.id, "product_description": "An eSIM of 5 GB"}
    submitted = await client.v1.disputes.update_async(dispute["id"], {"evidence": evidence})
    assert (submitted.status, submitted.evidence.receipt) == ("under_review", file.id)
    with pytest.raises(stripe.InvalidRequestError, match="can't be changed"):
        await client.v1.disputes.update_async(dispute["id"], {"evidence": {"receipt": file.id}})
    tagged = await client.v1.disputes.update_async(dispute["id"], {"metadata": {"case": "7"}})
    assert tagged.metadata["case"] == "7"
    result = await payment_provider.control(
        "POST", f"/disputes/{dispute['id']}/resolve", {"status": "lost"}
    )
    assert result["status"] == "lost"
    assert len(result["balance_transactions"]) == 1


@pytest.mark.parametrize("evidence", [{"receipt": "file_unknown"}, {"product_name": "x"}])
async def test_invalid_evidence_is_refused(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, evidence: Any
) -> None:
    intent = await paid(client)
    dispute = await payment_provider.control("POST", f"/charges/{intent.latest_charge}/dispute")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.disputes.update_async(dispute["id"], {"evidence": evidence})
    assert refused.value.param == f"evidence[{next(iter(evidence))}]"


async def test_silence_and_acceptance_lose(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    first, second = await paid(client), await paid(client)
    path = "/charges/{}/dispute"
    silent = await payment_provider.control("POST", path.format(first.latest_charge), {"days": 7})
    accepted = await payment_provider.control("POST", path.format(second.latest_charge))
    assert (await client.v1.disputes.close_async(accepted["id"])).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="can't be closed"):
        await client.v1.disputes.close_async(accepted["id"])
    await payment_provider.control("POST", "/clock/advance", {"days": 8})
    assert (await client.v1.disputes.retrieve_async(silent["id"])).status == "lost"


async def test_an_inquiry_takes_no_money_until_it_escalates(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await paid(client, payment_method="pm_card_createDisputeInquiry")
    [inquiry] = (await client.v1.disputes.list_async({"payment_intent": intent.id})).data
    assert (inquiry.status, inquiry.balance_transactions) == ("warning_needs_response", [])
    assert inquiry.is_charge_refundable
    escalated = await client.v1.disputes.update_async(
        inquiry.id, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}
    )
    assert (escalated.status, len(escalated.balance_transactions)) == ("needs_response", 1)

    other = await paid(client, payment_method="pm_card_createDisputeInquiry")
    await client.v1.refunds.create_async({"payment_intent": other.id})
    await payment_provider.control("POST", "/clock/advance", {"days": 121})
    [closed] = (await client.v1.disputes.list_async({"payment_intent": other.id})).data
    assert closed.status == "warning_closed"


async def test_one_payment_can_have_several_disputes(client: stripe.StripeClient) -> None:
    intent = await paid(client, payment_method="pm_card_createMultipleDisputes")
    listed = await client.v1.disputes.list_async({"charge": str(intent.latest_charge)})
    assert [one.amount for one in listed.data] == [549, 549]


async def test_a_warning_ends_with_a_refund(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    intent = await paid(client, payment_method="pm_card_createIssuerFraudRecord")
    listed = await client.v1.radar.early_fraud_warnings.list_async({"payment_intent": intent.id})
    [warning] = listed.data
    assert (warning.actionable, warning.charge) == (True, intent.latest_charge)
    await client.v1.refunds.create_async({"payment_intent": intent.id, "reason": "fraudulent"})
    warning = await client.v1.radar.early_fraud_warnings.retrieve_async(warning.id)
    assert not warning.actionable
    charge = await client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert charge.fraud_details is not None
    assert charge.fraud_details.user_report == "fraudulent"
    other = await paid(client)
    path = f"/charges/{other.latest_charge}/early-fraud-warning"
    sent = await payment_provider.control("POST", path, {"fraud_type": "made_with_lost_card"})
    assert sent["fraud_type"] == "made_with_lost_card"


async def test_a_held_payment_is_reviewed(
    client: stripe.StripeClient, payment_provider: PaymentSandbox, endpoint: Endpoint
) -> None:
    intent = await paid(client, capture_method="manual")
    review = await payment_provider.control("POST", f"/charges/{intent.latest_charge}/review")
    read = await client.v1.payment_intents.retrieve_async(intent.id, {"expand": ["review"]})
    assert isinstance(read.review, stripe.Review)
    assert (read.review.id, read.review.open) == (review["id"], True)
    approved = await client.v1.reviews.approve_async(review["id"])
    assert (approved.open, approved.reason) == (False, "approved")
    assert (await client.v1.reviews.list_async()).data == []
    # The approval does not capture.
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).status == "requires_capture"
    await payment_provider.control("POST", "/drain")
    assert endpoint.types(WEBHOOK_SECRET)[-2:] == ["review.opened", "review.closed"]


async def test_a_payout_is_broken_down(
    client: stripe.StripeClient, payment_provider: PaymentSandbox
) -> None:
    for _ in range(2):
        await paid(client, payment_method="pm_card_bypassPending")
    await paid(client)
    balance = await client.v1.balance.retrieve_async()
    assert [one.amount for one in balance.available] == [2 * (1099 - 62)]
    assert [one.amount for one in balance.pending] == [1099 - 62]
    payout = await payment_provider.control("POST", "/payouts", {"currency": "eur"})
    assert payout["amount"] == 2 * (1099 - 62)
    parts = await client.v1.balance_transactions.list_async({"payout": payout["id"]})
    assert sum(part.net for part in parts.data) == 0
    assert sorted(part.type for part in parts.data) == ["charge", "charge", "payout"]
    failed = await payment_provider.control("POST", f"/payouts/{payout['id']}/fail")
    assert failed["status"] == "failed"
    read = await client.v1.payouts.retrieve_async(
        payout["id"], {"expand": ["failure_balance_transaction"]}
    )
    assert isinstance(read.failure_balance_transaction, stripe.BalanceTransaction)
    totals = await payment_provider.control("GET", "/totals")
    assert totals["eur"]["net"] == 3 * (1099 - 62)

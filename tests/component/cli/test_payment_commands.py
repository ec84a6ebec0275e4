"""`esimgo payments` and `esimgo wallets`: what the service receives, and what operators see."""

import json
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.common.v1.money_pb2 import Money
from protos.orders.v1 import payments_pb2 as pb
from tests.fixtures.gateway import Gateway
from tests.fixtures.gateway_customer import MOMENT, ORDER_ID
from tests.fixtures.local.command import Run, esimgo, printed
from tests.fixtures.sandboxes import Auth

ANN = "00000000-0000-4000-8000-00000000000a"
AT = "2026-02-02T02:40:00Z"


def eur(amount: str) -> Money:
    return money.to_proto(Decimal(amount), "EUR")


def payment(**fields: Any) -> pb.Payment:
    return pb.Payment(
        **{
            "id": "p",
            "order_id": ORDER_ID,
            "customer_id": ANN,
            "method": pb.PAYMENT_METHOD_CARD,
            "status": pb.PAYMENT_STATUS_PAID,
            "amount": eur("9.99"),
            "captured": eur("9.99"),
            "refunded": eur("0"),
            "created_at": MOMENT,
            **fields,
        }
    )


REFUND = pb.Refund(
    id="r",
    amount=eur("2.5"),
    destination=pb.REFUND_DESTINATION_CARD,
    state=pb.REFUND_STATE_PENDING,
    reason="STAFF",
    note="slow network",
    created_at=MOMENT,
)


@pytest.fixture
def run(gateway: Gateway, auth: Auth) -> Run:
    """Run a command with the service role key against the stand-in of the orders service."""
    return partial(
        esimgo,
        ORDERS_ADDRESS=gateway.settings.orders_address,
        SUPABASE_SERVICE_ROLE_KEY=auth.service_role_key,
    )


async def test_payments_are_listed_page_by_page(gateway: Gateway, run: Run) -> None:
    pages = {
        "": pb.ListPaymentsResponse(payments=[payment(disputed=True)], next_page_token="2"),
        "2": pb.ListPaymentsResponse(payments=[payment(order_id="", refunded=eur("1"))]),
    }
    gateway.payments.answers["ListPayments"] = lambda request: pages[request.page_token]
    text = await printed(
        run,
        *("payments", "list", "--status", "paid", "--status", "requires-action"),
        *("--customer", ANN, "--since", "2026-01-01"),
    )
    titles, first, second = text.splitlines()
    assert titles.split() == [
        "order",
        "status",
        "method",
        "amount",
        "refunded",
        "created",
        "customer",
    ]
    assert first.split() == [ORDER_ID, "paid,", "disputed", "card", "9.99", "EUR", AT, ANN]
    assert second.split() == ["top-up", "p", "paid", "card", "9.99", "EUR", "1", "EUR", AT, ANN]
    request = gateway.payments.requests[0]
    assert [*request.statuses] == [pb.PAYMENT_STATUS_PAID, pb.PAYMENT_STATUS_REQUIRES_ACTION]
    assert request.customer_id == ANN
    assert request.HasField("from_date")
    [only] = json.loads(await printed(run, "payments", "list", "--most", "1", "--json"))
    assert only["amount"] == {"amount": "9.99", "currency": "EUR"}
    assert only["status"] == "PAID"


async def test_a_payment_is_shown_with_its_refunds(gateway: Gateway, run: Run) -> None:
    gateway.payments.answers["BatchGetPayments"] = pb.BatchGetPaymentsResponse(
        payments=[payment(card_last4="4242", wallet_amount=eur("1"), refunds=[REFUND])]
    )
    text = await printed(run, "payments", "show", ORDER_ID)
    assert "card:             **** 4242" in text
    assert "from the wallet:  1 EUR" in text
    assert f"{AT}  2.5 EUR to card: pending (STAFF; slow network)" in text
    assert "hold ends" not in text
    gateway.payments.answers["BatchGetPayments"] = pb.BatchGetPaymentsResponse()
    missing = await run("payments", "show", ORDER_ID)
    assert missing.returncode == 1
    assert "it has no payment" in missing.stderr


async def test_held_orders_are_reviewed(gateway: Gateway, run: Run) -> None:
    held = payment(
        status=pb.PAYMENT_STATUS_HELD, held_reason="CUSTOMER_HOUR", capture_before=MOMENT
    )
    gateway.payments.answers |= {
        "ListHeldOrders": pb.ListHeldOrdersResponse(payments=[held]),
        "ReleaseOrder": pb.ReleaseOrderResponse(payment=payment()),
        "RejectOrder": pb.RejectOrderResponse(payment=payment()),
    }
    row = (await printed(run, "payments", "held")).splitlines()[1]
    assert row.split() == [ORDER_ID, "CUSTOMER_HOUR", "9.99", "EUR", AT, AT, ANN]
    await printed(run, "payments", "release", ORDER_ID, "--note", "known customer")
    aborted = await run("payments", "reject", ORDER_ID, "--note", "fraud")  # no terminal
    assert aborted.returncode == 1
    await printed(run, "payments", "reject", ORDER_ID, "--note", "fraud", "--yes")
    assert gateway.payments.requests[1:] == [
        pb.ReleaseOrderRequest(order_id=ORDER_ID, note="known customer"),
        pb.RejectOrderRequest(order_id=ORDER_ID, note="fraud"),
    ]
    gateway.payments.answers["ListHeldOrders"] = pb.ListHeldOrdersResponse()
    assert await printed(run, "payments", "held") == "no order waits for a review\n"


async def test_a_refund_that_is_refused_is_not_to_be_repeated(gateway: Gateway, run: Run) -> None:
    text = "Only 5 EUR are left of what was taken; refund at most that"
    gateway.payments.answers["RefundOrder"] = Failure(Kind.REFUSED, "REFUND_ABOVE_CAPTURED", text)
    failed = await run("payments", "refund", ORDER_ID, "--note", "slow network", "--yes")
    assert failed.returncode == 1
    assert failed.stderr == f"esimgo: {text} [REFUND_ABOVE_CAPTURED]\n"


async def test_an_order_is_refunded_once_however_often_the_command_runs(
    gateway: Gateway, run: Run
) -> None:
    gateway.payments.answers["RefundOrder"] = Failure(Kind.UNAVAILABLE, "DOWN", "down")
    command = ("payments", "refund", ORDER_ID, "--note", "slow network", "--yes")
    failed = await run(*command, "--amount", "2.50", "--currency", "eur", "--to", "card")
    assert failed.returncode == 1
    key = gateway.payments.requests[0].idempotency_key
    assert f"repeat the command with --key {key}" in failed.stderr

    gateway.payments.answers["RefundOrder"] = pb.RefundOrderResponse(
        payment=payment(refunded=eur("2.5")), refunds=[REFUND]
    )
    text = await printed(run, *command, "--key", key)
    assert text.startswith(f"{AT}  2.5 EUR to card: pending")
    assert gateway.payments.requests == [
        pb.RefundOrderRequest(
            order_id=ORDER_ID,
            amount=eur("2.5"),
            destination=pb.REFUND_DESTINATION_CARD,
            note="slow network",
            idempotency_key=key,
        ),
        pb.RefundOrderRequest(order_id=ORDER_ID, note="slow network", idempotency_key=key),
    ]
    without = await run(*command, "--amount", "2.50")
    assert "an amount requires its currency" in without.stderr


async def test_a_bank_transfer_is_recorded(gateway: Gateway, run: Run) -> None:
    gateway.payments.answers["MarkOrderPaid"] = pb.MarkOrderPaidResponse(payment=payment())
    command = ("payments", "mark-paid", ORDER_ID, "--amount", "9.99", "--currency", "EUR")
    assert (await run(*command)).returncode == 2
    await printed(run, *command, "--reference", "transfer 4711")
    assert gateway.payments.requests == [
        pb.MarkOrderPaidRequest(order_id=ORDER_ID, amount=eur("9.99"), reference="transfer 4711")
    ]


async def test_disputes_and_their_evidence(gateway: Gateway, run: Run) -> None:
    dispute = pb.Dispute(
        id="dp_1",
        order_id=ORDER_ID,
        amount=eur("9.99"),
        reason="fraudulent",
        status="needs_response",
        respond_by=MOMENT,
    )
    gateway.payments.answers["ListDisputes"] = pb.ListDisputesResponse(disputes=[dispute])
    gateway.payments.answers["GetDisputeEvidence"] = pb.GetDisputeEvidenceResponse(
        disputes=[dispute],
        items=[pb.EvidenceItem(field="access_activity_log", text="installed\nused")],
    )
    row = (await printed(run, "payments", "disputes", "--open")).splitlines()[1]
    assert row.split() == ["dp_1", ORDER_ID, "9.99", "EUR", "fraudulent", "needs_response", AT]
    assert gateway.payments.requests[0].open_only
    text = await printed(run, "payments", "evidence", ORDER_ID)
    assert text.endswith("\naccess_activity_log\n  installed\n  used\n")


async def test_wallets_are_shown_and_corrected(gateway: Gateway, run: Run) -> None:
    wallet = pb.Wallet(id="w", customer_id=ANN, available=eur("20.5"), held=eur("1"))
    entry = pb.WalletEntry(
        id="e", kind="TOP_UP", amount=eur("21.5"), available_after=eur("21.5"), at=MOMENT
    )
    gateway.payments.answers |= {
        "ListWallets": pb.ListWalletsResponse(wallets=[wallet]),
        "ListWalletEntries": pb.ListWalletEntriesResponse(entries=[entry]),
        "CorrectWallet": pb.CorrectWalletResponse(wallet=wallet),
    }
    lines = (await printed(run, "wallets", "show", ANN)).splitlines()
    assert lines[0] == "wallet w: 20.5 EUR available, 1 EUR held"
    assert lines[2].split() == [AT, "top-up", "21.5", "EUR", "21.5", "EUR"]
    [shown] = json.loads(await printed(run, "wallets", "show", ANN, "--json"))
    assert shown["wallet"]["held"] == {"amount": "1", "currency": "EUR"}
    await printed(
        run, *("wallets", "correct", ANN, "-5.00", "eur", "--note", "twice", "--key", "k", "--yes")
    )
    assert gateway.payments.requests[-1] == pb.CorrectWalletRequest(
        customer_id=ANN, amount=eur("-5"), note="twice", idempotency_key="k"
    )
    gateway.payments.answers["ListWallets"] = pb.ListWalletsResponse()
    assert await printed(run, "wallets", "show", ANN) == "this customer has no wallet\n"


async def test_the_wallet_of_an_organization_is_shown_and_filled(
    gateway: Gateway, run: Run
) -> None:
    wallet = pb.Wallet(id="w", organization_id=ANN, available=eur("20.5"), held=eur("0"))
    gateway.payments.answers |= {
        "ListWallets": pb.ListWalletsResponse(),
        "CorrectWallet": pb.CorrectWalletResponse(wallet=wallet),
    }
    shown = await printed(run, "wallets", "show", "--organization", ANN)
    assert shown == "this organization has no wallet\n"
    assert gateway.payments.requests[-1] == pb.ListWalletsRequest(organization_id=ANN)
    options = ("--organization", "--received", "--note", "transfer 17", "--key", "k", "--yes")
    text = await printed(run, "wallets", "correct", *options, ANN, "20.50", "eur")
    assert text == "wallet w: 20.5 EUR available, 0 EUR held\n"
    assert gateway.payments.requests[-1] == pb.CorrectWalletRequest(
        organization_id=ANN,
        amount=eur("20.5"),
        note="transfer 17",
        idempotency_key="k",
        received=True,
    )

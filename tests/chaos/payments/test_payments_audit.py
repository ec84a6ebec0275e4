"""The audit of payments detects each way in which the records can differ."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.chaos.payments.audit import audit
from tests.chaos.payments.books import (
    Books,
    Intent,
    ProviderRefund,
    RecordedOrder,
    Refund,
    TopUp,
    Wallet,
)
from tests.chaos.payments.shoppers import CustomerView, Result
from tests.chaos.purchase.books import Charge

AT = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ZERO, TOTAL, PART = Decimal(0), Decimal("4.50"), Decimal("1.50")

SOLD = RecordedOrder(
    id="sold",
    key="key-1",
    status="COMPLETED",
    point="REGISTERED",
    reference="ref-1",
    total=TOTAL,
    currency="USD",
    quantity=1,
    failure="",
    registered=("8944001",),
    registered_at=AT + 4 * SECOND,
    attempted_at=AT + 2 * SECOND,
    payment="pay-1",
    method="CARD",
    state="CAPTURED",
    amount=TOTAL,
    wallet_amount=PART,
    captured=TOTAL,
    refunded=Decimal("0.50"),
    intent="pi-1",
    authorized_at=AT + SECOND,
)
FAILED = replace(
    SOLD,
    id="failed",
    key="key-2",
    status="FAILED",
    point="AWAITING_PAYMENT",
    reference=None,
    registered=(),
    registered_at=None,
    attempted_at=None,
    payment="pay-2",
    state="RELEASED",
    captured=ZERO,
    refunded=ZERO,
    intent="pi-2",
    authorized_at=None,
)
CAPTURED = Intent(
    id="pi-1",
    payment="pay-1",
    order="sold",
    status="succeeded",
    currency="USD",
    amount=Decimal(3),
    held=ZERO,
    received=Decimal(3),
    refunded=Decimal("0.50"),
    captures=1,
    captured_at=AT + 4 * SECOND,
    authorized_at=AT,
)
RELEASED = replace(
    CAPTURED,
    id="pi-2",
    payment="pay-2",
    order="failed",
    status="canceled",
    received=ZERO,
    refunded=ZERO,
    captures=0,
    captured_at=None,
)
TOPPED_UP = replace(
    CAPTURED, id="pi-3", payment="top-up", order="", received=Decimal(5), refunded=ZERO
)
REFUND = Refund("refund", "pay-1", Decimal("0.50"), "USD", "CARD", "SUCCEEDED", AT + 5 * SECOND)
PROVIDER_REFUND = ProviderRefund(
    "re-1", "refund", "pi-1", Decimal("0.50"), "succeeded", AT + 5 * SECOND
)
CREDIT = Decimal("3.50")
WALLET = Wallet("w", "USD", CREDIT, ZERO, CREDIT, ZERO, CREDIT)
BOOKS = Books(
    orders=(SOLD, FAILED),
    refunds=(REFUND,),
    top_ups=(TopUp("top-up", "CAPTURED", Decimal(5), Decimal(5), Decimal(5)),),
    wallets=(WALLET,),
    intents=(CAPTURED, RELEASED, TOPPED_UP),
    provider_refunds=(PROVIDER_REFUND,),
    unbalanced=(),
    clearing={"USD": Decimal("7.40")},
    fees={"USD": Decimal("0.10")},
    provider_totals={"USD": {"received": Decimal(8), "refunded": Decimal("0.50")}},
)
CHARGES = [Charge("ref-1", Decimal(3), "esim_1GB", 1, frozenset({"8944001"}))]
RESULTS = {"key-1": Result({"sold"}, "COMPLETED"), "key-2": Result({"failed"}, "FAILED")}
SEEN = {
    "sold": CustomerView(
        "COMPLETED", frozenset({"8944001"}), "PARTIALLY_REFUNDED", TOTAL, Decimal("0.50")
    ),
    "failed": CustomerView("FAILED", frozenset(), "RELEASED", ZERO, ZERO),
}


def violated(books: Books, charges: list[Charge] = CHARGES) -> list[str]:
    """Return the violated rules, if buyers received and see what BOOKS contains."""
    return [finding.rule for finding in audit(books, charges, RESULTS, SEEN) if finding.violations]


def test_consistent_books_violate_no_rule() -> None:
    assert violated(BOOKS) == []


def orders(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, orders=(replace(SOLD, **changes), FAILED))  # type: ignore[arg-type]


def failed(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, orders=(SOLD, replace(FAILED, **changes)))  # type: ignore[arg-type]


def captured(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, intents=(replace(CAPTURED, **changes), RELEASED, TOPPED_UP))  # type: ignore[arg-type]


def released(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, intents=(CAPTURED, replace(RELEASED, **changes), TOPPED_UP))  # type: ignore[arg-type]


def provider_refund(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, provider_refunds=(replace(PROVIDER_REFUND, **changes),))  # type: ignore[arg-type]


def wallet(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, wallets=(replace(BOOKS.wallets[0], **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (captured(received=Decimal("3.01")), "every delivered order was captured once"),
        (captured(captures=2), "every delivered order was captured once"),
        (captured(held=Decimal(1)), "every delivered order was captured once"),
        (orders(captured=Decimal(3)), "every delivered order was captured once"),
        (orders(state="AUTHORIZED"), "every delivered order was captured once"),
        (released(received=Decimal(3)), "every FAILED order was released"),
        (released(held=Decimal(3)), "every FAILED order was released"),
        (released(status="requires_payment_method"), "every FAILED order was released"),
        (failed(captured=TOTAL), "every FAILED order was released"),
        (failed(registered=("8944002",)), "every FAILED order was released"),
        (released(order="sold"), "no order has two intents"),
        (released(payment="another"), "no order has two intents"),
        (orders(intent="pi-9"), "no order has two intents"),
        (captured(order="failed"), "nothing is captured without an eSIM"),
        (orders(registered=()), "nothing is captured without an eSIM"),
        (captured(captured_at=AT + 2 * SECOND), "nothing was captured before"),
        (orders(registered_at=None), "nothing was captured before"),
        (orders(authorized_at=AT + 3 * SECOND), "no eSIM was bought before"),
        (captured(authorized_at=AT + 3 * SECOND), "no eSIM was bought before"),
        (orders(reference="ref-9"), "no eSIM was bought before"),
        (provider_refund(ours="another"), "every refund was recorded"),
        (provider_refund(amount=Decimal(1)), "every refund was recorded"),
        (provider_refund(created_at=AT + 3 * SECOND), "every refund was recorded"),
        (orders(refunded=Decimal(9)), "no more was refunded"),
        (wallet(available=Decimal(4)), "every wallet equals"),
        (wallet(ledger=Decimal(4)), "every wallet equals"),
        (wallet(held=Decimal(1), entries_held=Decimal(1)), "every wallet equals"),
        (orders(status="PROCESSING"), "no work is unfinished"),
        (failed(state="AUTHORIZED"), "no work is unfinished"),
        (orders(key="key-2"), "every key is at most one order"),
        (orders(status="REFUNDED"), "customers see exactly"),
    ],
)
def test_a_difference_is_detected(change: Callable[[Books], Books], rule: str) -> None:
    assert any(found.startswith(rule) for found in violated(change(BOOKS)))


def test_differences_of_the_books_as_a_whole_are_detected() -> None:
    top_up = replace(BOOKS.top_ups[0], credited=Decimal(10))
    assert violated(replace(BOOKS, top_ups=(top_up,))) == ["every paid top-up was credited once"]
    ledger = "the ledger balances, and has what the payment provider has"
    assert violated(replace(BOOKS, unbalanced=("t",))) == [ledger]
    assert violated(replace(BOOKS, clearing={"USD": Decimal(7)})) == [ledger]
    pending = replace(REFUND, state="PENDING")
    assert len(violated(replace(BOOKS, refunds=(pending,)))) == 1
    twice = (PROVIDER_REFUND, replace(PROVIDER_REFUND, id="re-2"))
    assert len(violated(replace(BOOKS, provider_refunds=twice))) == 1


def test_a_purchase_of_esims_without_a_payment_is_detected() -> None:
    stray = replace(CHARGES[0], reference="ref-2")
    assert violated(BOOKS, [*CHARGES, stray]) == [
        "no eSIM was bought before its payment was authorized"
    ]


def test_only_a_refused_purchase_may_have_no_order() -> None:
    for refused, rules in (("WALLET_TOO_LOW", 0), ("PLAN_UNAVAILABLE", 1)):
        results = RESULTS | {"key-3": Result(refused=refused)}
        found = [f for f in audit(BOOKS, CHARGES, results, SEEN) if f.violations]
        assert len(found) == rules

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
    Recorded,
    Refund,
    TopUp,
    Wallet,
)
from tests.chaos.payments.shoppers import Result, Seen
from tests.chaos.purchase.books import Charge

AT = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NOTHING, TOTAL, PART = Decimal(0), Decimal("4.50"), Decimal("1.50")

SOLD = Recorded(
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
    captured=NOTHING,
    refunded=NOTHING,
    intent="pi-2",
    authorized_at=None,
)
TAKEN = Intent(
    id="pi-1",
    payment="pay-1",
    order="sold",
    status="succeeded",
    currency="USD",
    amount=Decimal(3),
    held=NOTHING,
    received=Decimal(3),
    refunded=Decimal("0.50"),
    captures=1,
    captured_at=AT + 4 * SECOND,
    authorized_at=AT,
)
RELEASED = replace(
    TAKEN,
    id="pi-2",
    payment="pay-2",
    order="failed",
    status="canceled",
    received=NOTHING,
    refunded=NOTHING,
    captures=0,
    captured_at=None,
)
TOPPED_UP = replace(
    TAKEN, id="pi-3", payment="top-up", order="", received=Decimal(5), refunded=NOTHING
)
BACK = Refund("refund", "pay-1", Decimal("0.50"), "USD", "CARD", "SUCCEEDED", AT + 5 * SECOND)
MADE = ProviderRefund("re-1", "refund", "pi-1", Decimal("0.50"), "succeeded", AT + 5 * SECOND)
CREDIT = Decimal("3.50")
WALLET = Wallet("w", "USD", CREDIT, NOTHING, CREDIT, NOTHING, CREDIT)
BOOKS = Books(
    orders=(SOLD, FAILED),
    refunds=(BACK,),
    top_ups=(TopUp("top-up", "CAPTURED", Decimal(5), Decimal(5), Decimal(5)),),
    wallets=(WALLET,),
    intents=(TAKEN, RELEASED, TOPPED_UP),
    provider_refunds=(MADE,),
    unbalanced=(),
    clearing={"USD": Decimal("7.40")},
    fees={"USD": Decimal("0.10")},
    provider_totals={"USD": {"received": Decimal(8), "refunded": Decimal("0.50")}},
)
CHARGES = [Charge("ref-1", Decimal(3), "esim_1GB", 1, frozenset({"8944001"}))]
RESULTS = {"key-1": Result({"sold"}, "COMPLETED"), "key-2": Result({"failed"}, "FAILED")}
SEEN = {
    "sold": Seen("COMPLETED", frozenset({"8944001"}), "PARTIALLY_REFUNDED", TOTAL, Decimal("0.50")),
    "failed": Seen("FAILED", frozenset(), "RELEASED", NOTHING, NOTHING),
}


def broken(books: Books, charges: list[Charge] = CHARGES) -> list[str]:
    """Return the broken rules, when buyers received and see what BOOKS has."""
    return [finding.rule for finding in audit(books, charges, RESULTS, SEEN) if finding.broken]


def test_consistent_books_violate_no_rule() -> None:
    assert broken(BOOKS) == []


def orders(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, orders=(replace(SOLD, **changes), FAILED))  # type: ignore[arg-type]


def failed(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, orders=(SOLD, replace(FAILED, **changes)))  # type: ignore[arg-type]


def taken(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, intents=(replace(TAKEN, **changes), RELEASED, TOPPED_UP))  # type: ignore[arg-type]


def released(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, intents=(TAKEN, replace(RELEASED, **changes), TOPPED_UP))  # type: ignore[arg-type]


def made(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, provider_refunds=(replace(MADE, **changes),))  # type: ignore[arg-type]


def wallet(**changes: object) -> Callable[[Books], Books]:
    return lambda books: replace(books, wallets=(replace(BOOKS.wallets[0], **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (taken(received=Decimal("3.01")), "every delivered order was captured once"),
        (taken(captures=2), "every delivered order was captured once"),
        (taken(held=Decimal(1)), "every delivered order was captured once"),
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
        (taken(order="failed"), "nothing is captured without an eSIM"),
        (orders(registered=()), "nothing is captured without an eSIM"),
        (taken(captured_at=AT + 2 * SECOND), "nothing was captured before"),
        (orders(registered_at=None), "nothing was captured before"),
        (orders(authorized_at=AT + 3 * SECOND), "no eSIM was bought before"),
        (taken(authorized_at=AT + 3 * SECOND), "no eSIM was bought before"),
        (orders(reference="ref-9"), "no eSIM was bought before"),
        (made(ours="another"), "every refund was recorded"),
        (made(amount=Decimal(1)), "every refund was recorded"),
        (made(created_at=AT + 3 * SECOND), "every refund was recorded"),
        (orders(refunded=Decimal(9)), "no more was refunded"),
        (wallet(available=Decimal(4)), "every wallet equals"),
        (wallet(ledger=Decimal(4)), "every wallet equals"),
        (wallet(held=Decimal(1), entries_held=Decimal(1)), "every wallet equals"),
        (orders(status="PROCESSING"), "nothing waits any more"),
        (failed(state="AUTHORIZED"), "nothing waits any more"),
        (orders(key="key-2"), "every key is at most one order"),
        (orders(status="REFUNDED"), "customers see exactly"),
    ],
)
def test_a_difference_is_detected(change: Callable[[Books], Books], rule: str) -> None:
    assert any(found.startswith(rule) for found in broken(change(BOOKS)))


def test_differences_of_the_books_as_a_whole_are_detected() -> None:
    top_up = replace(BOOKS.top_ups[0], credited=Decimal(10))
    assert broken(replace(BOOKS, top_ups=(top_up,))) == ["every paid top-up was credited once"]
    ledger = "the ledger balances, and has what the payment provider has"
    assert broken(replace(BOOKS, unbalanced=("t",))) == [ledger]
    assert broken(replace(BOOKS, clearing={"USD": Decimal(7)})) == [ledger]
    pending = replace(BACK, state="PENDING")
    assert len(broken(replace(BOOKS, refunds=(pending,)))) == 1
    twice = (MADE, replace(MADE, id="re-2"))
    assert len(broken(replace(BOOKS, provider_refunds=twice))) == 1


def test_a_purchase_of_esims_that_nobody_paid_is_detected() -> None:
    stray = replace(CHARGES[0], reference="ref-2")
    assert broken(BOOKS, [*CHARGES, stray]) == [
        "no eSIM was bought before its payment was authorized"
    ]


def test_only_a_refused_purchase_may_have_no_order() -> None:
    for refused, rules in (("WALLET_TOO_LOW", 0), ("PLAN_UNAVAILABLE", 1)):
        results = RESULTS | {"key-3": Result(refused=refused)}
        found = [f for f in audit(BOOKS, CHARGES, results, SEEN) if f.broken]
        assert len(found) == rules

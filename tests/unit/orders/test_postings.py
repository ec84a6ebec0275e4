"""Postings balance and have the digits of their currencies, for any amounts."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values import currencies
from services.orders.books import postings
from services.orders.books.dispute_postings import disputed
from services.orders.books.posting import Entry, Posting, PostingKind
from services.orders.books.postings import GivenBack, Moved
from services.orders.order import OrderCost
from services.orders.payment import Refund, RefundDestination, RefundReason, RefundState
from tests.unit.orders.sold import NOW, order, payment

CURRENCIES = st.sampled_from(("USD", "JPY", "KWD"))
WALLET = uuid4()


def amounts(currency: str, low: int = 1) -> st.SearchStrategy[Decimal]:
    """Return amounts with the digits of the currency."""
    return st.integers(low, 10**8).map(lambda number: number * currencies.unit(currency))


def refund(amount: Decimal, currency: str = "USD", **changes: Any) -> Refund:
    values: dict[str, Any] = {
        "id": uuid4(),
        "payment_id": uuid4(),
        "order_id": uuid4(),
        "customer_id": uuid4(),
        "amount": amount,
        "currency": currency,
        "destination": RefundDestination.CARD,
        "reason": RefundReason.STAFF,
        "note": "",
        "requested_by": "staff",
        "state": RefundState.SUCCEEDED,
        "provider_id": None,
        "failure": "",
        "started_at": None,
        "settled_at": None,
        "created_at": NOW,
    }
    return Refund(**(values | changes))


def lines(posting: Posting | None) -> dict[str, Decimal]:
    assert posting is not None
    return {entry.account: entry.amount for entry in posting.entries}


def is_sound(posting: Posting | None) -> None:
    if posting is None:
        return
    assert posting.balanced
    for entry in posting.entries:
        assert entry.amount
        assert entry.amount == currencies.rounded(entry.amount, entry.currency)


@given(st.data(), CURRENCIES)
def test_what_is_taken_is_what_the_customer_owes(data: st.DataObject, currency: str) -> None:
    amount = data.draw(amounts(currency))
    share = data.draw(st.integers(0, 100))
    from_wallet = currencies.rounded(amount * share / 100, currency)
    found = postings.taken(
        payment(amount=amount, wallet_amount=from_wallet, currency=currency), WALLET
    )
    is_sound(found)
    booked = lines(found)
    assert booked["deposits"] == -amount
    assert booked.get("clearing:stripe", 0) + booked.get(f"wallet:{WALLET}", 0) == amount


@given(st.data(), CURRENCIES)
def test_a_sale_splits_the_total_into_revenue_and_tax(data: st.DataObject, currency: str) -> None:
    total = data.draw(amounts(currency))
    tax = currencies.rounded(total * data.draw(st.integers(0, 50)) / 100, currency)
    sold = order(total_price=total, tax_amount=tax, currency=currency, tax_country="DE")
    found = postings.sold(sold, paid_here=True)
    is_sound(found)
    booked = lines(found)
    assert booked["deposits"] == total
    assert -booked.get("revenue", Decimal(0)) - booked.get("tax:DE", Decimal(0)) == total


@given(
    st.decimals("0.001", "9999", places=3),
    st.integers(1, 10),
    CURRENCIES,
)
def test_returns_of_all_bundles_equal_the_cost(
    charge: Decimal, quantity: int, currency: str
) -> None:
    bought = order(quantity=quantity, cost=OrderCost(charge, currency, charge, currency))
    cost = postings.cost(bought)
    is_sound(cost)
    before = Decimal(0)
    for returned in range(1, quantity + 1):
        found = postings.cost_returned(bought, returned, before)
        is_sound(found)
        before += lines(found)["clearing:provider"] if found else 0
    assert before == (lines(cost)["cost"] if cost else 0)


@given(st.data(), CURRENCIES)
def test_refunds_in_parts_give_back_exactly_the_whole_tax(
    data: st.DataObject, currency: str
) -> None:
    unit = currencies.unit(currency)
    parts = [n * unit for n in data.draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=6))]
    total = sum(parts, Decimal(0))
    tax = currencies.rounded(total * data.draw(st.integers(0, 30)) / 100, currency)
    sold = order(total_price=total, tax_amount=tax, currency=currency, tax_country="DE")
    before = GivenBack()
    for part in parts:
        found = postings.refunded(refund(part, currency), sold, None, sold=True, before=before)
        is_sound(found)
        booked = lines(found)
        assert booked["clearing:stripe"] == -part
        given_back = booked.get("tax:DE", Decimal(0))
        before = GivenBack(before.amount + part, before.tax + given_back)
    assert before == GivenBack(total, tax)


def test_a_refund_of_an_undelivered_order_comes_from_the_deposit() -> None:
    taxed = order(tax_amount=Decimal("1.60"))
    found = postings.refunded(refund(Decimal(10)), taxed, None, sold=False, before=GivenBack())
    assert lines(found) == {"deposits": Decimal(10), "clearing:stripe": Decimal(-10)}


def test_a_failed_refund_is_the_exact_reverse() -> None:
    made = refund(Decimal(5))
    posted = postings.refunded(made, order(), None, sold=True, before=GivenBack())
    reverse = postings.refund_failed(made, list(posted.entries))
    is_sound(reverse)
    assert [-entry.amount for entry in reverse.entries] == [e.amount for e in posted.entries]


def test_a_refund_to_a_wallet_names_it() -> None:
    to_wallet = refund(Decimal(5), destination=RefundDestination.WALLET)
    found = postings.refunded(to_wallet, order(), WALLET, sold=True, before=GivenBack())
    assert lines(found)[f"wallet:{WALLET}"] == -5
    with pytest.raises(ValueError, match="wallet"):
        postings.refunded(to_wallet, order(), None, sold=True, before=GivenBack())


def test_money_that_the_finance_staff_recorded_is_no_card_money() -> None:
    by_hand = payment(reference="transfer 17")
    assert lines(postings.taken(by_hand, None)) == {"clearing:manual": 10, "deposits": -10}


def test_an_order_that_is_not_paid_here_is_owed_by_others() -> None:
    at_cost = order(total_price=Decimal("1.005"))
    found = postings.sold(at_cost, paid_here=False)
    assert lines(found) == {"clearing:elsewhere": Decimal("1.01"), "revenue": Decimal("-1.01")}
    assert postings.sold(replace(at_cost, total_price=Decimal(0)), paid_here=False) is None


@given(st.integers(1, 10), CURRENCIES, st.data())
def test_an_order_that_is_returned_in_parts_is_not_owed_any_more(
    quantity: int, currency: str, data: st.DataObject
) -> None:
    total = data.draw(amounts(currency))
    tax = currencies.rounded(total * data.draw(st.integers(0, 30)) / 100, currency)
    bought = order(total_price=total, tax_amount=tax, currency=currency, quantity=quantity)
    before = GivenBack()
    for returned in range(1, quantity + 1):
        found = postings.sale_returned(bought, returned, before)
        is_sound(found)
        booked = lines(found) if found else {}
        before = GivenBack(
            before.amount - booked.get("clearing:elsewhere", Decimal(0)),
            before.tax + booked.get("tax:unknown", Decimal(0)),
        )
    assert before == GivenBack(total, tax)


def test_a_movement_in_another_currency_goes_through_the_exchange() -> None:
    moved = Moved("txn_1", Decimal("10.87"), Decimal("0.62"), "USD", Decimal(10), "EUR")
    found = postings.settled(moved)
    is_sound(found)
    assert found is not None
    assert set(found.entries) == {
        Entry("fees", Decimal("0.62"), "USD"),
        Entry("clearing:stripe", Decimal("-0.62"), "USD"),
        Entry("fx", Decimal(10), "EUR"),
        Entry("clearing:stripe", Decimal(-10), "EUR"),
        Entry("clearing:stripe", Decimal("10.87"), "USD"),
        Entry("fx", Decimal("-10.87"), "USD"),
    }


def test_disputes_and_their_return_cancel_out() -> None:
    out = disputed("dp_1", Decimal(10), "USD", payment(), withdrawn=True)
    back = disputed("dp_1", Decimal(10), "USD", payment(), withdrawn=False)
    assert lines(out) == {"disputes": 10, "clearing:stripe": -10}
    assert lines(back) == {"disputes": -10, "clearing:stripe": 10}
    assert out is not None
    assert back is not None
    assert out.key != back.key


def test_amounts_with_too_many_digits_are_refused() -> None:
    with pytest.raises(ValueError, match="digits"):
        postings.taken(payment(amount=Decimal("0.5"), currency="JPY"), None)


def test_equal_postings_may_differ_in_the_order_of_entries() -> None:
    posting = postings.taken(payment(), None)
    assert posting is not None
    assert posting.equals("TAKE", list(reversed(posting.entries)))
    assert not posting.equals("TAKE", list(posting.entries[:1]))
    assert not posting.equals(PostingKind.SALE, list(posting.entries))

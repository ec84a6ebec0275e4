"""Where the money of a refund goes: never more than was taken, and to the card only what came from it."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kit.errors import Failure
from services.orders.payment import PaymentMethod, RefundDestination
from services.orders.payments.refunds.shares import shares
from tests.unit.orders.sold import payment

CARD, WALLET, MANUAL = RefundDestination.CARD, RefundDestination.WALLET, RefundDestination.MANUAL


def taken(**changes: Any) -> Any:
    nothing = {"refunded": Decimal(0), "refunded_to_card": Decimal(0)}
    return payment(**({"captured": Decimal(10)} | nothing | changes))


MIXED = {"wallet_amount": Decimal(4)}


@pytest.mark.parametrize(
    ("paid", "amount", "to", "expected"),
    [
        (taken(), "10", None, {CARD: 10}),
        (taken(), "3", WALLET, {WALLET: 3}),
        (taken(), "3", MANUAL, {MANUAL: 3}),
        (taken(**MIXED), "5", None, {CARD: 5}),
        (taken(**MIXED), "10", None, {CARD: 6, WALLET: 4}),
        (
            taken(**MIXED, refunded=Decimal(5), refunded_to_card=Decimal(5)),
            "5",
            None,
            {CARD: 1, WALLET: 4},
        ),
        (taken(method=PaymentMethod.WALLET, wallet_amount=Decimal(10)), "10", None, {WALLET: 10}),
        (taken(method=PaymentMethod.MANUAL), "10", None, {WALLET: 10}),
        (taken(reference="bank"), "10", None, {WALLET: 10}),
        (taken(currency="KWD"), "4.764", None, {CARD: Decimal("4.76"), WALLET: Decimal("0.004")}),
        (taken(currency="KWD"), "4.764", WALLET, {WALLET: Decimal("4.764")}),
    ],
)
def test_money_goes_back_to_where_it_came_from(
    paid: Any, amount: str, to: RefundDestination | None, expected: Any
) -> None:
    assert shares(paid, Decimal(amount), to) == expected


@pytest.mark.parametrize(
    ("paid", "amount", "to", "reason"),
    [
        (taken(captured=Decimal(0)), "1", None, "NOTHING_CAPTURED"),
        (taken(), "10.01", None, "REFUND_ABOVE_CAPTURED"),
        (taken(refunded=Decimal(10)), "0", None, "REFUND_ABOVE_CAPTURED"),
        (taken(refunded=Decimal(9)), "1.01", WALLET, "REFUND_ABOVE_CAPTURED"),
        (taken(**MIXED), "6.01", CARD, "REFUND_TO_CARD_IMPOSSIBLE"),
        (taken(reference="bank"), "1", CARD, "REFUND_TO_CARD_IMPOSSIBLE"),
        (taken(customer_id=UUID(int=0)), "1", WALLET, "REFUND_TO_WALLET_IMPOSSIBLE"),
    ],
)
def test_what_is_refused(paid: Any, amount: str, to: RefundDestination | None, reason: str) -> None:
    with pytest.raises(Failure) as refused:
        shares(paid, Decimal(amount), to)
    assert refused.value.reason == reason

"""What is left of a credited statement, and how its credit notes are named."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from services.orders.payments.refunds.billed import Billed


def billed(**changes: Any) -> Billed:
    values: dict[str, Any] = {
        "n": 42,
        "currency": "USD",
        "charged": Decimal("3.12"),
        "refunded": Decimal("1.00"),
        "credited": Decimal("0.50"),
        "notes": [7],
    }
    return Billed(**(values | changes))


def test_cancellations_under_way_of_other_orders_count() -> None:
    own, other = uuid4(), uuid4()
    found = billed(cancelling={own: Decimal("0.60"), other: Decimal("0.40")})
    assert found.left == Decimal("0.62")
    assert found.left_for(own) == Decimal("1.22")
    assert found.left_for(other) == Decimal("1.02")


def test_what_is_left_is_never_negative() -> None:
    assert billed(credited=Decimal(3)).left == 0


@pytest.mark.parametrize(
    ("notes", "named"),
    [
        ([7], "the credit note CN-000007:"),
        ([7, 9], "the credit notes CN-000007, CN-000009:"),
        ([1, 2, 3, 4], "4 credit notes up to CN-000004:"),
    ],
)
def test_a_limit_names_the_credit_notes(notes: list[int], named: str) -> None:
    limit = billed(notes=notes).limit(uuid4())
    assert limit.amount == Decimal("1.62")
    assert named in limit.message
    assert limit.message.startswith("The statement ST-000042 of this order has ")
    assert limit.message.endswith("at most 1.62 USD of it can still go back")

from decimal import Decimal

import pytest

from kit.errors import Failure
from services.catalogue import paging
from services.catalogue.plan import PlanOrder


@pytest.mark.parametrize("price", ["0", "2.285", "999999.999"])
def test_a_price_in_a_cursor_is_parsed_back(price: str) -> None:
    assert paging.read_key(PlanOrder.PRICE_ASC, [price, "a"]) == [Decimal(price), "a"]


@pytest.mark.parametrize(
    "price",
    [
        *("1e999999999", "1e15", "-1", "NaN", "Infinity", "0." + "0" * 1_000 + "1", "x", ""),
        *("1e-20000", "1e-9999999999999999", "0e9999999"),  # PostgreSQL can't store these
    ],
)
def test_an_impossible_price_in_a_cursor_is_refused(price: str) -> None:
    for order in (PlanOrder.PRICE_ASC, PlanOrder.PRICE_DESC):
        with pytest.raises(Failure) as refusal:
            paging.read_key(order, [price, "a"])
        assert refusal.value.reason == "INVALID_PAGE_TOKEN"

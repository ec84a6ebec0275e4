"""Limits of top-ups: their text, and what they refuse."""

from decimal import Decimal

import pytest

from kit.errors import Failure
from services.orders.payments.wallets.top_up_limits import TopUpLimits, TopUpLimitsError

LIMITS = TopUpLimits.parse("USD=5-500, KWD=0.100-9.5")


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [
        ("5", "USD", ""),
        ("500", "USD", ""),
        ("4.99", "USD", "TOP_UP_TOO_SMALL"),
        ("500.01", "USD", "TOP_UP_TOO_LARGE"),
        ("0.099", "KWD", "TOP_UP_TOO_SMALL"),
        ("9.5", "KWD", ""),
        ("10", "EUR", "TOP_UP_NOT_OFFERED"),
    ],
)
def test_what_can_be_added(amount: str, currency: str, reason: str) -> None:
    assert refused(LIMITS, amount, currency) == reason


def test_without_limits_a_card_sets_them() -> None:
    assert refused(TopUpLimits(), "0.5", "EUR", least="0.5") == ""
    assert refused(TopUpLimits(), "0.49", "EUR", least="0.5") == "TOP_UP_TOO_SMALL"
    assert refused(TopUpLimits(), "1000000", "EUR") == "TOP_UP_TOO_LARGE"
    assert refused(TopUpLimits(), "1000000", "JPY") == ""


def test_an_amount_above_the_only_limit_is_reported_as_too_large() -> None:
    with pytest.raises(Failure, match="A top-up is at most 10 USD"):
        TopUpLimits.parse("USD=10-10").check(Decimal(11), "USD", Decimal(0))


@pytest.mark.parametrize(
    "text", ["USD", "USD=5", "USD=5-4", "USD=0-4", "XXY=1-2", "usd=1-2", "USD=a-b"]
)
def test_malformed_limits(text: str) -> None:
    with pytest.raises(TopUpLimitsError):
        TopUpLimits.parse(text)


def refused(limits: TopUpLimits, amount: str, currency: str, least: str = "0") -> str:
    try:
        limits.check(Decimal(amount), currency, Decimal(least))
    except Failure as failure:
        return failure.reason
    return ""

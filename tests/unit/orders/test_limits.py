from decimal import Decimal

import pytest

from kit.values.env import Env
from services.orders.purchase.limits import LimitsError, parse
from services.orders.settings import Settings

REQUIRED = {
    "SUPABASE_URL": "http://localhost:1",
    "SUPABASE_SERVICE_ROLE_KEY": "key",
    "ESIM_GO_API_KEY": "key",
    "ORDERS_DATABASE_URL": "postgresql://localhost/esimgo",
}


def read(**values: str) -> tuple[Settings, list[str]]:
    env = Env(REQUIRED | values)
    return Settings.read(env), env.problems


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", {}),
        (" , ", {}),
        ("customer_hour_orders=5", {"customer_hour_orders": Decimal(5)}),
        (
            "customer_day_amount = 250.50, shop_day_orders=0,",
            {"customer_day_amount": Decimal("250.50"), "shop_day_orders": Decimal(0)},
        ),
    ],
)
def test_limits_are_parsed_from_names_and_values(text: str, limits: dict[str, Decimal]) -> None:
    assert parse(text) == limits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customer_week_orders=5", "customer_hour_orders"),
        ("customer_hour_orders", "a whole number"),
        ("customer_hour_orders=2.5", "a whole number"),
        ("customer_hour_orders=-1", "a whole number"),
        ("shop_day_amount=1e5", "an amount"),
        ("shop_day_amount=NaN", "an amount"),
        ("shop_day_amount=1, shop_day_amount=2", "twice"),
    ],
)
def test_an_invalid_limit_is_reported_by_name(text: str, message: str) -> None:
    with pytest.raises(LimitsError, match=message):
        parse(text)
    _, problems = read(PURCHASE_LIMITS=text)
    assert [problem for problem in problems if "PURCHASE_LIMITS" in problem and message in problem]


def test_by_default_customers_buy_and_anonymous_sessions_do_not() -> None:
    settings, problems = read()
    assert problems == []
    assert not settings.buyers.service_only
    assert not settings.buyers.anonymous
    assert settings.purchase_limits == {}
    assert settings.price_tolerance == Decimal("0.02")


def test_the_settings_decide_who_may_buy() -> None:
    settings, problems = read(
        PURCHASES_BY="service",
        ANONYMOUS_PURCHASES="true",
        PURCHASE_LIMITS="shop_day_amount=10",
        ORDERS_PRICE_TOLERANCE_PERCENT="0.5",
    )
    assert problems == []
    assert settings.buyers.service_only
    assert settings.buyers.anonymous
    assert settings.purchase_limits == {"shop_day_amount": Decimal(10)}
    assert settings.price_tolerance == Decimal("0.005")
    assert "PURCHASES_BY" in read(PURCHASES_BY="anyone")[1][0]

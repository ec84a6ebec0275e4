"""Settings of payments: what is off by default, and what contradicts itself."""

from decimal import Decimal

import pytest

from kit.values.env import Env
from services.orders.payment import PaymentMethod
from services.orders.payments import guards
from services.orders.payments.settings import NOT_CONFIGURED, PaymentMode, PaymentSettings
from services.orders.payments.stripe.settings import StripeSettings

REAL, SANDBOX = "https://api.esim-go.com/v2.5", "http://localhost:4010/v2.5"
TEST_KEY, LIVE_KEY = "sk_test_0123456789", "sk_live_0123456789"


def read(provider: str = SANDBOX, **values: str) -> tuple[PaymentSettings, Env]:
    env = Env(values)
    return PaymentSettings.read(env, provider, StripeSettings.read(env)), env


def problem(provider: str = SANDBOX, **values: str) -> str:
    _, env = read(provider, **values)
    [found] = env.problems
    return found


def test_without_the_setting_nothing_is_sold_for_real_before_the_operator_decides() -> None:
    settings, env = read(REAL)
    assert settings.mode is PaymentMode.UNDECIDED
    assert env.notices == [NOT_CONFIGURED]
    assert not env.problems
    settings, env = read(SANDBOX)
    assert settings.mode is PaymentMode.OFF
    assert not env.notices
    assert read(REAL, PAYMENTS="off")[0].mode is PaymentMode.OFF


@pytest.mark.parametrize(
    ("provider", "values", "expected"),
    [
        (SANDBOX, {"PAYMENTS": "required"}, "set STRIPE_SECRET_KEY"),
        (
            SANDBOX,
            {"PAYMENTS": "off", "STRIPE_SECRET_KEY": LIVE_KEY, "STRIPE_BASE_URL": "http://x:1"},
            "must not be sent elsewhere",
        ),
        (REAL, {"PAYMENTS": "required", "STRIPE_SECRET_KEY": TEST_KEY}, "test cards"),
        (SANDBOX, {"PAYMENTS": "maybe"}, "off or required"),
        (SANDBOX, {"PAYMENT_METHODS": "cash"}, "PAYMENT_METHODS"),
        (SANDBOX, {"PAYMENT_GUARDS": "card_day_orders=x"}, "a whole number"),
        (SANDBOX, {"REFUND_POLICY": "fee"}, "REFUND_POLICY"),
        (SANDBOX, {"UNCLEAR_AT_EXPIRY": "wait"}, "UNCLEAR_AT_EXPIRY"),
    ],
)
def test_contradictions_end_the_start(provider: str, values: dict[str, str], expected: str) -> None:
    assert expected in problem(provider, **values)


def test_what_fits_together() -> None:
    settings, env = read(
        REAL, PAYMENTS="required", STRIPE_SECRET_KEY=LIVE_KEY, PAYMENT_METHODS="card, manual"
    )
    assert not env.problems
    assert settings.methods == {PaymentMethod.CARD, PaymentMethod.MANUAL}
    assert read(PAYMENTS="required", PAYMENT_METHODS="wallet")[1].problems == []


def test_guards() -> None:
    assert read(PAYMENT_GUARDS="off")[0].guards == {}
    assert guards.parse("card_day_orders=3, customer_hour_amount=99.5") == {
        "card_day_orders": Decimal(3),
        "customer_hour_amount": Decimal("99.5"),
    }
    for text in ("card_day_orders", "who=1", "high_risk=1,high_risk=1", "card_day_orders=1.5"):
        with pytest.raises(guards.GuardsError):
            guards.parse(text)

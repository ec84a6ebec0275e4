from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from kit.errors import Failure
from kit.values.env import Env, SettingsError
from services.orders.cancellation.check import check_cancellable, check_unused
from services.orders.cancellation.revocation import Revocation, cancelled_message, cancelled_status
from services.orders.order import (
    DeliveredESIM,
    Order,
    OrderRequest,
    OrderStatus,
    RecoveryPoint,
    Refund,
)
from services.orders.provider.provider_bundle import BundleOnESIM
from services.orders.provider.provider_order import currency, price
from services.orders.settings import Settings
from services.orders.work import growing_pause

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ORDER = Order(
    id=uuid4(),
    customer_id=uuid4(),
    plan_id=uuid4(),
    bundle_name="b",
    quantity=2,
    unit_price=Decimal("1.365"),
    total_price=Decimal("2.73"),
    currency="USD",
    customer_reference="trip",
    auto_activate=False,
    status=OrderStatus.COMPLETED,
    recovery_point=RecoveryPoint.REGISTERED,
    status_reason="",
    provider_reference="ref",
    cancel_requested_at=None,
    created_at=NOW,
    updated_at=NOW,
)


def revoked(*refunds: Refund | None) -> list[Revocation]:
    return [Revocation("8", str(i), "b", "REVOKED", refund) for i, refund in enumerate(refunds)]


def bundle(state: str, *, touched: bool = False) -> BundleOnESIM:
    return BundleOnESIM("1", "b", "ref-0", state, touched=touched)


@pytest.mark.parametrize(
    ("refunds", "status", "message"),
    [
        ([Refund.BALANCE, Refund.BALANCE], OrderStatus.REFUNDED, "price refunded"),
        ([Refund.INVENTORY], OrderStatus.CANCELLED, "to the inventory"),
        ([Refund.NONE], OrderStatus.CANCELLED, "does not refund"),
        ([Refund.BALANCE, Refund.NONE], OrderStatus.CANCELLED, "differs"),
        ([Refund.BALANCE, None], OrderStatus.CANCELLED, "differs"),
    ],
)
def test_an_order_is_refunded_only_if_every_bundle_is(
    refunds: list[Refund | None], status: OrderStatus, message: str
) -> None:
    assert cancelled_status(revoked(*refunds)) is status
    assert message in cancelled_message(revoked(*refunds))


def test_an_order_matches_only_its_own_request() -> None:
    same = OrderRequest(ORDER.customer_id, ORDER.plan_id, 2, "trip", False, "key")
    assert ORDER.answers(same)
    for other in (
        replace(same, plan_id=uuid4()),
        replace(same, quantity=1),
        replace(same, customer_reference=""),
        replace(same, auto_activate=True),
        replace(same, currency="EUR"),
        replace(same, coupon_code="SPRING"),
    ):
        assert not ORDER.answers(other)
    # The order's own currency is what the first list has.
    assert ORDER.answers(replace(same, currency="USD"))
    named = replace(ORDER, requested_currency="USD")
    assert named.answers(replace(same, currency="USD"))
    assert not named.answers(same)


@pytest.mark.parametrize("status", ["PROCESSING", "NEEDS_REVIEW", "FAILED"])
def test_an_incomplete_order_cannot_be_cancelled(status: str) -> None:
    with pytest.raises(Failure) as raised:
        check_cancellable(replace(ORDER, status=OrderStatus(status)))
    assert raised.value.reason == "ORDER_NOT_CANCELLABLE"


@pytest.mark.parametrize("status", ["COMPLETED", "CANCELLED", "REFUNDED"])
def test_cancelling_only_the_unused_part_can_be_requested(status: str) -> None:
    check_cancellable(replace(ORDER, status=OrderStatus(status)))


@pytest.mark.parametrize(
    ("bundles", "reason"),
    [
        ([bundle("queued"), bundle("processing")], None),
        ([bundle("queued"), bundle("revoked")], None),
        ([bundle("queued"), bundle("active")], "ORDER_IN_USE"),
        ([bundle("queued"), bundle("queued", touched=True)], "ORDER_IN_USE"),
        ([bundle("depleted"), bundle("queued")], "ORDER_IN_USE"),
        ([bundle("expired"), bundle("queued")], "ORDER_IN_USE"),
        ([bundle("lapsed"), bundle("queued")], "ORDER_NOT_CANCELLABLE"),
        ([bundle("some new state"), bundle("queued")], "ORDER_NOT_CANCELLABLE"),
        ([bundle("queued")], "ORDER_NOT_CANCELLABLE"),
        ([], "ORDER_NOT_CANCELLABLE"),
    ],
)
def test_a_full_cancellation_requires_every_bundle_to_be_unused(
    bundles: list[BundleOnESIM], reason: str | None
) -> None:
    if reason is None:
        check_unused(bundles, 2)
        return
    with pytest.raises(Failure) as raised:
        check_unused(bundles, 2)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("states", "offers_the_rest"), [(("queued", "active"), True), (("depleted", "active"), False)]
)
def test_a_refusal_offers_the_unused_part_only_if_there_is_one(
    states: tuple[str, ...], offers_the_rest: bool
) -> None:
    with pytest.raises(Failure) as raised:
        check_unused([bundle(state) for state in states], 2)
    assert ("unusedOnly" in raised.value.message) == offers_the_rest


@pytest.mark.parametrize(
    ("iccid", "matching_id", "address", "installable"),
    [
        ("8943100000000000017", "M", "rsp.test", True),
        ("8943100000000000017", "", "rsp.test", False),
        ("8943100000000000017", "M", "", False),
        ("not digits", "M", "rsp.test", False),
        ("8943", "M", "rsp.test", False),
    ],
)
def test_an_esim_is_delivered_once_its_install_details_are_complete(
    iccid: str, matching_id: str, address: str, installable: bool
) -> None:
    assert DeliveredESIM(iccid, matching_id, address).installable is installable


def test_an_amount_that_cannot_be_stored_is_absent() -> None:
    assert price(Decimal("135.163")) == Decimal("135.163")
    assert price("494.92") == Decimal("494.92")
    for wrong in (-1, Decimal("1e30"), Decimal("0.0000000001"), "?", True, None, [1]):
        assert price(wrong) is None
    assert [currency(c) for c in ("usd", "US", "dollars", None, 1)] == [
        "USD",
        None,
        None,
        None,
        None,
    ]


def test_retry_pauses_grow_within_bounds() -> None:
    assert growing_pause(timedelta(), 0.5, 30).seconds == 0.5
    assert growing_pause(timedelta(seconds=40), 0.5, 30).seconds == 10
    assert growing_pause(timedelta(hours=1), 0.5, 30).seconds == 30


def test_missing_settings_are_reported_together() -> None:
    env = Env({})
    settings = Settings.read(env)
    with pytest.raises(SettingsError) as raised:
        env.finish()
    for name in ("ORDERS_DATABASE_URL", "ESIM_GO_API_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
        assert name in str(raised.value)
    assert (settings.service.port, settings.catalogue_address) == (50052, "localhost:50051")


def test_settings_list_their_secrets_for_redaction() -> None:
    env = Env(
        {
            "ORDERS_DATABASE_URL": "postgresql://u:hidden-password@db/x",
            "ESIM_GO_API_KEY": "hidden-api-key",
            "SUPABASE_SERVICE_ROLE_KEY": "hidden-role-key",
            "SUPABASE_URL": "http://auth.test",
        }
    )
    settings = Settings.read(env)
    env.finish()
    assert "hidden" not in repr(settings)
    assert {"hidden-api-key", "hidden-role-key"} <= set(settings.secrets())

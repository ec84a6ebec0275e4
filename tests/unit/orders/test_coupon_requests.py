"""Bad requests for coupons: each is refused with an error that names the field."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import Failure
from kit.values import money, timestamps
from kit.values.checks import Checks
from protos.common.v1.money_pb2 import Money
from protos.orders.v1 import coupons_pb2 as pb
from services.orders.coupons import requests

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ID = "00000000-0000-4000-8000-000000000001"


def eur(amount: str, currency: str = "EUR") -> Money:
    return money.to_proto(Decimal(amount), currency)


def at(days: int) -> Timestamp | None:
    return timestamps.to_proto(NOW + timedelta(days=days))


def request(**fields: Any) -> pb.CreateCouponRequest:
    usual: dict[str, Any] = {"code": "SPRING-26", "percent": "15"}
    if "amount" in fields:
        del usual["percent"]
    return pb.CreateCouponRequest(coupon=pb.Coupon(**(usual | fields)))


def problems(call: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(Failure) as raised:
        call()
    assert raised.value.reason == "INVALID_ARGUMENT"
    return dict(raised.value.fields)


def test_a_coupon_with_everything_is_read() -> None:
    rules = requests.create(
        request(
            code=" spring-26 ",
            amount=eur("5.50"),
            starts_at=at(1),
            ends_at=at(2),
            plans=["esim_1GB_7D_FR_V2", ID.upper()],
            groups=["Standard Fixed"],
            countries=["fr", "XK", "US-HI"],
            minimum=eur("20"),
            max_uses=10,
            max_uses_per_customer=1,
            budget=eur("50"),
            first_purchase_only=True,
            max_loss=eur("0"),
        ),
        NOW,
    )
    assert (rules.code, rules.amount, rules.percent) == ("SPRING-26", Decimal("5.5"), None)
    assert rules.currency == "EUR"
    assert rules.plans == {"esim_1GB_7D_FR_V2", ID}
    assert rules.countries == {"FR", "XK", "US-HI"}
    assert (rules.max_uses, rules.max_uses_per_customer, rules.max_loss) == (10, 1, Decimal(0))


def test_countries_are_recognized_as_people_write_them() -> None:
    given = ["UK", "france", "DEU", "Côte d’Ivoire", "us-hi", "GB", "it"]
    rules = requests.create(request(percent="5", countries=given), NOW)
    assert rules.countries == {"GB", "FR", "DE", "CI", "US-HI", "IT"}


def test_absent_limits_do_not_exist() -> None:
    rules = requests.create(request(), NOW)
    assert (rules.max_uses, rules.max_uses_per_customer) == (None, None)
    assert (rules.currency, rules.budget, rules.minimum, rules.max_loss) == (None,) * 4


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        *(("code", {"code": code}) for code in ("", "AB", "A" * 41, "A B", "ÄÖÜ", "A_B", "AB\n")),
        *(
            ("percent", {"percent": text})
            for text in ("", "0", "-5", "100.1", "1e2", "NaN", "15%", "١٥", "0.00001", "9" * 400)
        ),
        ("amount", {"amount": eur("0")}),
        ("amount", {"amount": eur("-5")}),
        ("amount", {"amount": eur("5.001")}),
        ("amount", {"amount": eur("5.5", "JPY")}),
        ("amount", {"amount": eur("1.2345", "KWD")}),
        ("amount", {"amount": eur("1000000000")}),
        ("amount", {"amount": Money(currency_code="EUR", units=2**63 - 1, nanos=999_999_999)}),
        ("amount", {"amount": Money(currency_code="EUR", units=1, nanos=-1)}),
        ("amount", {"amount": Money(currency_code="EUR", units=1, nanos=2_000_000_000)}),
        *(
            ("amount", {"amount": Money(currency_code=code, units=1)})
            for code in ("", "eur", "XYZ", "EURO", "€", "BTC")
        ),
        ("currency", {"currency": "XYZ"}),
        ("amount", {"amount": eur("5"), "currency": "USD"}),
        ("budget", {"budget": eur("0")}),
        ("budget", {"amount": eur("5"), "budget": eur("4.99")}),
        ("minimum", {"amount": eur("5"), "minimum": eur("20", "USD")}),
        ("max_loss", {"budget": eur("5"), "max_loss": eur("1", "USD")}),
        ("max_loss", {"max_loss": eur("-1")}),
        ("ends_at", {"starts_at": at(2), "ends_at": at(1)}),
        ("ends_at", {"starts_at": at(2), "ends_at": at(2)}),
        ("ends_at", {"ends_at": at(-1)}),
        ("starts_at", {"starts_at": Timestamp(seconds=2**62)}),
        ("max_uses", {"max_uses": -1}),
        ("max_uses_per_customer", {"max_uses_per_customer": -(2**31)}),
        ("max_uses_per_customer", {"max_uses": 3, "max_uses_per_customer": 4}),
        ("countries[1]", {"countries": ["FR", "ZZ"]}),
        ("countries[0]", {"countries": ["Atlantis"]}),
        ("countries[0]", {"countries": [""]}),
        ("plans[0]", {"plans": [" "]}),
        ("plans[0]", {"plans": ["a\nb"]}),
        ("plans", {"plans": ["a"] * 1001}),
        ("groups[0]", {"groups": ["x" * 201]}),
        ("id", {"id": ID}),
        ("used", {"used": 5}),
        ("disabled", {"disabled": True}),
        ("spent", {"spent": eur("1")}),
    ],
)
def test_bad_coupons_are_refused_with_the_field(field: str, fields: dict[str, Any]) -> None:
    assert list(problems(lambda: requests.create(request(**fields), NOW))) == [f"coupon.{field}"]


def test_a_percentage_may_be_for_one_currency() -> None:
    assert requests.create(request(currency="EUR"), NOW).currency == "EUR"


def test_a_coupon_without_a_reduction_is_refused() -> None:
    wanted = pb.CreateCouponRequest(coupon=pb.Coupon(code="SPRING"))
    assert list(problems(lambda: requests.create(wanted, NOW))) == ["coupon.percent"]


def test_all_problems_are_reported_at_once() -> None:
    found = problems(lambda: requests.create(request(code="?", percent="0", max_uses=-1), NOW))
    assert set(found) == {"coupon.code", "coupon.percent", "coupon.max_uses"}


def test_a_check_names_bad_fields_but_not_an_odd_code() -> None:
    def check(**fields: Any) -> Any:
        usual: dict[str, Any] = {"code": "spring", "plan_id": ID, "quantity": 1, "currency": "EUR"}
        return requests.check(pb.CheckCouponRequest(**(usual | fields)))

    assert check()[0] == "SPRING"
    assert check(code="no such form!")[0] == "NO SUCH FORM!"
    for field, value in (
        ("code", ""),
        ("code", "x" * 41),
        ("code", "a\x00b"),
        ("plan_id", "1"),
        ("quantity", 0),
        ("quantity", 11),
        ("quantity", 2**31 - 1),
        ("currency", "eur"),
        ("currency", "EUR\x00"),
    ):
        assert list(problems(lambda field=field, value=value: check(**{field: value}))) == [field]  # type: ignore[misc] # bound on purpose


def test_a_purchase_without_a_code_has_none() -> None:
    checks = Checks()
    assert requests.given_code(checks, "coupon_code", "  ") is None
    assert not checks.problems

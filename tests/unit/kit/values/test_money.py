import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values import money
from protos.common.v1 import money_pb2

NANOS = st.integers(0, 10**9 - 1) | st.integers(0, 999).map(lambda mills: mills * 10**6)


@given(units=st.integers(-(10**15), 10**15), nanos=NANOS)
def test_an_amount_converts_to_the_nearest_float(units: int, nanos: int) -> None:
    amount = money_pb2.Money(units=units, nanos=nanos if units >= 0 else -nanos)
    assert money.nearest_float(amount) == float(money.from_proto(amount))


@given(units=st.integers(-(10**15), 10**15), nanos=NANOS)
def test_an_amount_is_formatted_exactly(units: int, nanos: int) -> None:
    for part in (nanos, -nanos):
        amount = money_pb2.Money(units=units, nanos=part)
        assert money.text(amount) == f"{money.from_proto(amount):f}"


@given(mills=st.integers(0, 10**8), quantity=st.integers(1, 10))
def test_a_total_that_a_client_computed_in_floats_is_the_exact_total(
    mills: int, quantity: int
) -> None:
    price = Decimal(mills) / 1000
    assert money.from_float(float(price) * quantity) == price * quantity
    added = 0.0
    for _ in range(quantity):
        added += float(price)
    assert money.from_float(added) == price * quantity


@given(mills=st.integers(-(10**6), 10**6))
def test_a_single_precision_float_converts_back_to_its_amount(mills: int) -> None:
    (single,) = struct.unpack("f", struct.pack("f", mills / 1000))
    assert money.from_float(single) == Decimal(mills) / 1000


@pytest.mark.parametrize(
    ("noisy", "amount"),
    [
        ("3.1500000000000004", "3.15"),
        ("2.2800000000000002", "2.28"),
        ("2.2849999999999997", "2.285"),
        ("0.30000000000000004", "0.3"),
        ("-0.30000000000000004", "-0.3"),
        ("1003.7199999999999", "1003.72"),
        ("5.551115123125783E-17", "0"),
        ("-5.551115123125783E-17", "0"),
        ("135.163", "135.163"),
        ("2.50", "2.50"),
        ("9.9999999", "9.9999999"),
        ("1.2345", "1.2345"),
        ("1E+400", "1E+400"),
        ("NaN", "NaN"),
    ],
)
def test_only_float_noise_is_removed(noisy: str, amount: str) -> None:
    assert str(money.without_float_noise(Decimal(noisy)).normalize()) == str(
        Decimal(amount).normalize()
    )


def test_a_quotient_is_rounded_to_nine_places() -> None:
    assert money.from_float(10 / 3) == Decimal("3.333333333")
    assert money.from_float(1.2345) == Decimal("1.2345")


def test_a_written_amount_is_not_rounded_to_nothing() -> None:
    assert money.written(Decimal("3.1500000000000004")) == Decimal("3.15")
    assert money.written(Decimal("0.0000")) == 0
    with pytest.raises(ValueError, match="too small"):
        money.written(Decimal("1e-20"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 1e12, 1e-12])
def test_an_invalid_amount_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        money.from_float(value)

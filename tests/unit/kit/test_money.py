"""Money between the protos and the numbers that clients get."""

from hypothesis import given
from hypothesis import strategies as st

from kit import money
from protos.common.v1 import money_pb2

NANOS = st.integers(0, 10**9 - 1) | st.integers(0, 999).map(lambda mills: mills * 10**6)


@given(units=st.integers(-(10**15), 10**15), nanos=NANOS)
def test_the_nearest_float_is_that_of_the_exact_amount(units: int, nanos: int) -> None:
    amount = money_pb2.Money(units=units, nanos=nanos if units >= 0 else -nanos)
    assert money.nearest_float(amount) == float(money.from_proto(amount))


@given(units=st.integers(-(10**15), 10**15), nanos=NANOS)
def test_the_text_is_that_of_the_exact_amount(units: int, nanos: int) -> None:
    for part in (nanos, -nanos):
        amount = money_pb2.Money(units=units, nanos=part)
        assert money.text(amount) == str(money.from_proto(amount))

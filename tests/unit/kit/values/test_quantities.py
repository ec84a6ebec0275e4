from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values.quantities import MAX_BYTES, in_bytes, is_data_unit


@pytest.mark.parametrize(
    ("value", "unit", "count"),
    [
        (0, None, 0),
        (10**9, "", 10**9),
        (10**9, "BYTES", 10**9),
        (Decimal("1E+9"), "byte", 10**9),
        (1, "kB", 10**3),
        (Decimal("400.5"), "MB", 400_500_000),
        (Decimal("0.1"), " gb ", 10**8),
        ("1.5", "GB", 1_500_000_000),
        (" 12 ", "B", 12),
        (1, "terabytes", 10**12),
        # A float's rounding error is less than a byte.
        (Decimal("1.000000000000001"), "MB", 10**6),
        (MAX_BYTES, None, MAX_BYTES),
    ],
)
def test_an_amount_of_data_is_exact(value: object, unit: object, count: int) -> None:
    assert in_bytes(value, unit) == count


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (5, "minutes"),
        (5, "MINS"),
        (5, "SMS"),
        (5, "seconds"),
        (5, "%"),
        (5, 1),
        (5, []),
        (-1, None),
        (Decimal("-0.1"), "MB"),
        (Decimal("0.5"), None),
        (MAX_BYTES + 1, None),
        (MAX_BYTES, "kB"),
        (10**400, None),
        (Decimal("1e999999"), None),
        (Decimal("NaN"), None),
        (Decimal("Infinity"), None),
        ("", None),
        ("NaN", None),
        ("-5", None),
        ("1e3", None),
        ("5 MB", None),
        ("1" * 30, None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_any_other_amount_is_unknown(value: object, unit: object) -> None:
    assert in_bytes(value, unit) is None


@given(
    st.integers() | st.decimals() | st.text(max_size=20) | st.booleans() | st.none(),
    st.text(max_size=6) | st.none() | st.sampled_from(["MB", "bytes", "TB"]),
)
def test_no_input_raises_an_error(value: object, unit: object) -> None:
    count = in_bytes(value, unit)
    assert count is None or 0 <= count <= MAX_BYTES
    assert count is None or is_data_unit(unit)

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values.checks import Checks
from protos import iccid

DIGITS = "8944501234567890123"


@pytest.mark.parametrize(
    "text",
    [
        DIGITS,
        f"{DIGITS}F",
        f"{DIGITS}f",
        f"{DIGITS}FFF",
        f"  {DIGITS}\r\n",
        "8944 5012 3456 7890 123F",
        "8944-5012-3456-7890-123-f",
        "8944\N{EN DASH}5012\N{MINUS SIGN}3456\N{NO-BREAK SPACE}7890\N{ZERO WIDTH SPACE}123",
        "\N{BYTE ORDER MARK}" + DIGITS,
        "".join(chr(ord("\N{FULLWIDTH DIGIT ZERO}") + int(digit)) for digit in DIGITS),
        "".join(chr(ord("\N{ARABIC-INDIC DIGIT ZERO}") + int(digit)) for digit in DIGITS),
    ],
)
def test_every_notation_of_an_iccid_is_equal(text: str) -> None:
    assert iccid.normalize(text) == DIGITS
    checks = Checks()
    assert iccid.check(checks, "iccid", text) == DIGITS
    checks.done()


@pytest.mark.parametrize(
    "text", ["", "F", "F" + DIGITS, "8944F5012345678901", "1" * 17, "1" * 23, "8 " * 40, "x" * 19]
)
def test_a_value_without_18_to_22_digits_is_not_an_iccid(text: str) -> None:
    assert iccid.normalize(text) == ""
    checks = Checks()
    iccid.check(checks, "iccid", text)
    assert "18 to 22 digits" in checks.problems["iccid"]


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (DIGITS + "F", True),
        (int(DIGITS), True),
        (Decimal(f"{DIGITS}.0"), True),
        (Decimal("8.944501234567890123E18"), True),
        (8944501234567890000, False),
        (Decimal("8.94450123456789E18"), False),
    ],
)
def test_a_json_number_is_an_iccid_and_may_have_been_rounded(value: Any, exact: bool) -> None:
    assert iccid.from_json(value).startswith("89445012345678")
    assert iccid.is_exact(value) is exact


@pytest.mark.parametrize(
    "value", [None, True, [], {}, 5, 10**22, -(10**18), 1.5, Decimal("1E+999999"), Decimal("0.5")]
)
def test_other_json_is_not_an_iccid(value: Any) -> None:
    assert iccid.from_json(value) == ""


@given(st.text(max_size=80))
def test_no_text_raises_an_error_and_the_result_is_stable(text: str) -> None:
    found = iccid.normalize(text)
    assert iccid.normalize(found) == found
    assert found == "" or iccid.FORM.fullmatch(found)

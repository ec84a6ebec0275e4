import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.values import exact_json

decimals = st.decimals(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | decimals | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_written_values_are_json_and_parse_back_equal(value: object) -> None:
    text = exact_json.dumps(value)
    assert exact_json.loads(text) == value
    json.loads(text)


def test_trailing_zeros_and_long_numbers_are_preserved() -> None:
    text = '{"price":2.50,"iccid":89431081699000000165,"tiny":1E-30}'
    assert exact_json.dumps(exact_json.loads(text)) == text


@pytest.mark.parametrize("digits", [4_000, 4_001, 4_300, 4_301, 5_000])
def test_an_integer_of_thousands_of_digits_is_preserved(digits: int) -> None:
    text = f'{{"n":{"7" * digits},"m":[1,2.50]}}'
    assert exact_json.dumps(exact_json.loads(text)) == text


def test_text_that_looks_like_a_number_stays_text() -> None:
    assert exact_json.dumps({"a": "1.5", "b": '"', "c": Decimal("1.5")}) == (
        r'{"a":"1.5","b":"\"","c":1.5}'
    )


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan")])
def test_numbers_without_a_value_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"NaN|float"):
        exact_json.dumps([value])


def test_other_types_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="set"):
        exact_json.dumps({"a": {1}})


NESTED = "[" * 100_000
LONG = "9" * (exact_json.MAX_DIGITS + 1)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "NaN", "[Infinity]", b"\xff"),
        *(NESTED, f"[{LONG}, {NESTED}", f'{{"n": {LONG}, "b": {NESTED}{"]" * len(NESTED)}}}'),
    ],
    ids=lambda text: str(text[:20]),
)
def test_invalid_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the standard library's
        exact_json.loads(text)


def test_one_absurd_number_does_not_affect_the_rest() -> None:
    digits = "9" * 5000
    read = exact_json.loads(
        f"[{digits}, -{digits}, 1E999999999999999999999, -1e99999999999999999999, 2]"
    )
    assert read == [
        Decimal(digits),
        Decimal(f"-{digits}"),
        exact_json.LARGEST,
        exact_json.LARGEST.copy_negate(),
        2,
    ]
    assert exact_json.loads("1E-99999999999999999999999") == 0
    assert exact_json.loads(exact_json.dumps(read)) == read


def test_a_lenient_parser_reads_nan_and_infinity_as_null() -> None:
    assert exact_json.loads("[NaN, Infinity, -Infinity, 1]", lenient=True) == [None, None, None, 1]

"""Formulas in cells: neutralized on the way out, and exactly restored on the way in."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sheets import table, writing
from gateway.sheets.formulas import is_formula, neutralized, restored


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil.example","click")',
        "+49 30 1234567",
        "-1+1",
        "@SUM(A1:A9)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "\uff1d1+1",
    ],
)
def test_a_text_that_would_be_executed_gets_an_apostrophe(text: str) -> None:
    assert is_formula(text)
    assert neutralized(text) == f"'{text}"
    assert restored(neutralized(text)) == text


@pytest.mark.parametrize("text", ["", "Müller", "O'Neil", "'t Hooft", "1+1", "a=b", "山田", "(=)"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert not is_formula(text)
    assert neutralized(text) == text
    assert restored(text) == text


def test_a_text_that_looks_neutralized_already_comes_back_too() -> None:
    for text in ("'=1+1", "''=1+1", "'+", "'-x", "a;'=1", 'a;"=1', "a;'\"=1"):
        assert restored(neutralized(text)) == text


@given(st.text(alphabet="'=+-@ \",;ab山ü", max_size=8))
def test_no_text_is_executed_where_semicolons_separate_cells(text: str) -> None:
    """Excel ignores quotes there, except those at the beginning of a cell."""
    line = writing.line(("1", text, "x")).decode()
    assert not any(is_formula(cell.replace('"', "")) for cell in line.split(";"))


@given(st.text(alphabet="'=+-@\t\r\n \",;ab山ü", max_size=8))
def test_every_text_survives_a_round_trip_and_none_is_executed(text: str) -> None:
    data = b"".join(writing.lines(("name", "other"), [(text, "x")]))
    (_, cells) = csv.reader(io.StringIO(data.decode(), newline=""))
    assert not is_formula(cells[0])
    (row,) = table.read(data, {"name", "other"}.__contains__).rows
    assert row.cells == (text, "x")


def test_numbers_are_not_touched() -> None:
    (line,) = list(writing.lines(("a", "b", "c", "d"), [(-5, Decimal("-12.50"), None, "-5")]))[1:]
    assert line == b"-5,-12.50,,'-5\r\n"
    assert writing.line((Decimal("1E+3"),)) == b"1000\r\n"


def test_a_byte_order_mark_is_written_on_request() -> None:
    assert b"".join(writing.lines(("ä",), [], byte_order_mark=True)) == b"\xef\xbb\xbf\xc3\xa4\r\n"
    assert b"".join(writing.lines(("ä",), [])) == b"\xc3\xa4\r\n"


def test_a_lone_surrogate_does_not_end_a_download() -> None:
    assert writing.line(("a\ud83d",)) == b"a?\r\n"

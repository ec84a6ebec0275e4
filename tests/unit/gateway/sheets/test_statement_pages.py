"""Statements as PDF: numbers stay on one line, and a refund names the order that it is of."""

from decimal import Decimal

import pypdfium2
import pytest

from gateway.http.files.statement_downloads import report
from gateway.sheets.report_pages import render
from kit.values import money
from protos.orders.v1 import statements_pb2 as pb


@pytest.mark.parametrize(
    ("amount", "tax", "currency", "shown"),
    [
        ("123456789.25", "12345678.25", "EUR", "123,456,789.25 12,345,678.25"),
        ("-99999999.99", "-9999999.99", "EUR", "-99,999,999.99 -9,999,999.99"),
        ("12345678.125", "1234567.125", "KWD", "12,345,678.125 1,234,567.125"),
    ],
)
def test_numbers_of_a_line_are_not_split(amount: str, tax: str, currency: str, shown: str) -> None:
    line = pb.StatementLine(
        position=2000,
        kind="REFUND",
        description="eSIM, 1GB",
        quantity=3,
        amount=money.to_proto(Decimal(amount), currency),
        tax=money.to_proto(Decimal(tax), currency),
    )
    statement = pb.Statement(number="S-1", time_zone="UTC", total=line.amount, tax=line.tax)
    page = pypdfium2.PdfDocument(render(report(statement, [line])))[0]
    text = " ".join(page.get_textpage().get_text_range().split())
    assert "2000 1970-01-01 Refund of an order: 3 x eSIM," in text
    assert shown in text

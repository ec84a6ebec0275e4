"""Rows of exports with awkward values."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.sheets.exports import files
from gateway.sheets.exports.export import Export
from kit.values import money, timestamps
from protos.esims.v1 import exports_pb2 as esims_pb
from protos.orders.v1 import exports_pb2 as pb

AT = datetime(2026, 11, 30, 23, 59, 59, 123456, tzinfo=UTC)
ICCID = "8943108165030400007"
FORMULA = '=HYPERLINK("http://evil.example","x")'


def order(number: int = 1) -> pb.OrderRow:
    return pb.OrderRow(
        id=f"order-{number}",
        created_day="2026-12-01",
        created_at=timestamps.to_proto(AT),
        status="REFUNDED",
        customer_reference=FORMULA,
        plan_title='Côte d’Ivoire, "5 GB"\r\n30 days',
        countries=["CI", "GH"],
        data_mb=5000,
        quantity=2,
        unit_price=money.to_proto(Decimal("9.99"), "EUR"),
        total_price=money.to_proto(Decimal("19.98"), "EUR"),
        refunds=money.to_proto(Decimal("-0.5"), "EUR"),
        cost=money.to_proto(Decimal("12.345"), "USD"),
        exchange_rate="0.91",
    )


def esim(number: int = 1) -> esims_pb.ESIMRow:
    return esims_pb.ESIMRow(id=f"esim-{number}", iccid=ICCID, used_bytes=2**40, bundles=1)


def entry(number: int, amount: str = "-1.5", note: str = "") -> pb.LedgerRow:
    return pb.LedgerRow(
        transaction_id=f"t-{number}",
        transaction_number=number,
        entry_number=1,
        day="2026-11-30",
        at=timestamps.to_proto(AT),
        kind="SALE",
        account="revenue",
        amount=money.to_proto(Decimal(amount), "EUR"),
        note=note,
    )


def made(export: Export, *messages: Any) -> bytes:
    """Return a file as the renderer makes it of these messages."""
    source = files.header(export) + b"".join(files.frame(m.SerializeToString()) for m in messages)
    output = io.BytesIO()
    files.render(io.BytesIO(source), output)
    return output.getvalue()

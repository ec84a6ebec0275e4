"""Files of exports: CSV and Parquet have the same values, and a file without its end is none."""

import csv
import io
import struct
import subprocess
import sys
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from gateway.sheets.exports import files
from gateway.sheets.exports.export import Export
from gateway.sheets.exports.kinds import KINDS
from gateway.sheets.exports.parquet_file import ParquetFile
from gateway.sheets.formulas import restored
from kit.values import money
from protos.orders.v1 import exports_pb2 as pb
from tests.unit.gateway.sheets.exports.rows import AT, FORMULA, ICCID, entry, esim, made, order


def cells(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def test_a_csv_file_has_a_header_and_a_row_for_each() -> None:
    message = pb.ExportOrdersResponse(rows=[order(1), order(2)])
    file = made(Export("orders"), message, pb.ExportOrdersResponse(rows=[order(3)]))
    assert file.startswith(b"id,created_day,created_at,")
    rows = cells(file)
    assert [row["id"] for row in rows] == ["order-1", "order-2", "order-3"]
    first = rows[0]
    assert first["customer_reference"] == f"'{FORMULA}"
    assert first["plan_title"] == 'Côte d’Ivoire, "5 GB"\r\n30 days'
    assert (first["created_day"], first["created_at"]) == (
        "2026-12-01",
        "2026-11-30T23:59:59.123456Z",
    )
    # Numbers stay numbers, also negative ones.
    assert (first["refunds"], first["unit_price"], first["cost"]) == ("-0.5", "9.99", "12.345")
    assert (first["currency"], first["cost_currency"]) == ("EUR", "USD")
    assert (first["unlimited"], first["sold_at"], first["duration_days"]) == ("false", "", "")


def test_a_byte_order_mark_comes_first_if_it_is_wanted() -> None:
    assert made(Export("orders", bom=True)).startswith(b"\xef\xbb\xbfid,created_day,")
    assert made(Export("orders", "parquet", bom=True)).startswith(b"PAR1")


def test_an_empty_export_has_its_columns() -> None:
    for kind in KINDS.values():
        names = [column.name for column in kind.columns]
        empty = kind.message()
        assert made(Export(kind.name), empty).decode() == ",".join(names) + "\r\n"
        table = parquet.read_table(io.BytesIO(made(Export(kind.name, "parquet"), empty)))
        assert (table.num_rows, table.column_names) == (0, names)


def test_types_of_a_parquet_file() -> None:
    message = pb.ExportOrdersResponse(rows=[order()])
    table = parquet.read_table(io.BytesIO(made(Export("orders", "parquet"), message)))
    types = {field.name: field.type for field in table.schema}
    assert types["created_at"] == pa.timestamp("us", tz="UTC")
    assert types["created_day"] == pa.date32()
    assert types["total_price"] == pa.decimal128(38, 9)
    assert (types["quantity"], types["unlimited"]) == (pa.int64(), pa.bool_())
    (row,) = table.to_pylist()
    assert row["created_at"] == AT
    # A warehouse executes nothing, so its texts are unchanged.
    assert row["customer_reference"] == FORMULA
    assert row["refunds"] == Decimal("-0.5")
    assert row["coupon_code"] is None


def test_an_iccid_is_a_text() -> None:
    message = KINDS["esims"].message(rows=[esim()])
    table = parquet.read_table(io.BytesIO(made(Export("esims", "parquet"), message)))
    assert table.column("iccid").to_pylist() == [ICCID]
    assert table.schema.field("iccid").type == pa.string()
    assert cells(made(Export("esims"), message))[0]["iccid"] == ICCID


AMOUNTS = st.decimals(
    min_value=-(10**15), max_value=10**15, places=9, allow_nan=False, allow_infinity=False
)
# A NUL is in no text of PostgreSQL, and Python's csv reader refuses it.
NOTES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.lists(st.tuples(AMOUNTS, NOTES), max_size=8))
@example([(Decimal(1), ";=1"), (Decimal(2), "'=1;'-1")])
def test_both_formats_have_the_same_values(rows: list[tuple[Decimal, str]]) -> None:
    entries = [entry(n, f"{amount:f}", note) for n, (amount, note) in enumerate(rows, 1)]
    message = pb.ExportLedgerResponse(rows=entries)
    text = cells(made(Export("ledger"), message))
    table = parquet.read_table(io.BytesIO(made(Export("ledger", "parquet"), message))).to_pylist()
    assert len(text) == len(table) == len(rows)
    for row, other, (amount, note) in zip(text, table, rows, strict=True):
        assert Decimal(row["amount"]) == other["amount"] == amount
        assert restored(row["note"]) == note
        assert (other["note"] or "") == note
        assert int(row["transaction_number"]) == other["transaction_number"]


def test_a_parquet_file_is_written_group_by_group() -> None:
    output = io.BytesIO()
    file = ParquetFile(output, KINDS["ledger"].columns, group=1_000)
    sizes = []
    for begin in range(0, 2_500, 500):
        file.add([entry(n) for n in range(begin, begin + 500)])
        sizes.append(len(output.getvalue()))
    # Written after the second and the fourth batch, and at the end.
    assert sizes[0] < sizes[1] == sizes[2] < sizes[3] == sizes[4]
    file.finish()
    found = parquet.ParquetFile(io.BytesIO(output.getvalue()))
    assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [
        1_000,
        1_000,
        500,
    ]
    assert found.read().column("transaction_number").to_pylist() == list(range(2_500))


def test_a_parquet_file_without_its_end_is_none() -> None:
    file = made(Export("ledger", "parquet"), pb.ExportLedgerResponse(rows=[entry(1)]))
    with pytest.raises(pa.ArrowInvalid):
        parquet.read_table(io.BytesIO(file[:-10]))


def test_a_renderer_whose_input_is_cut_fails() -> None:
    source = files.header(Export("ledger")) + struct.pack(">I", 100) + b"short"
    done = subprocess.run(
        [sys.executable, "-m", "gateway.sheets", "export"],
        input=source,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert b"ends within a frame" in done.stderr


def test_amounts_of_one_row_in_two_currencies_make_no_file() -> None:
    row = order()
    row.discount.CopyFrom(money.to_proto(Decimal(1), "USD"))
    with pytest.raises(ValueError, match="EUR and USD"):
        made(Export("orders"), pb.ExportOrdersResponse(rows=[row]))


def test_duckdb_reads_both(tmp_path: Any) -> None:
    message = pb.ExportLedgerResponse(rows=[entry(1, "-1.5"), entry(2, "0.25"), entry(3, "1.25")])
    for kind in ("csv", "parquet"):
        file = tmp_path / f"ledger.{kind}"
        file.write_bytes(made(Export("ledger", kind), message))
        found = duckdb.execute(
            "select currency, sum(amount), count(*) from query_table([?]) group by all",
            [str(file)],
        )
        ((currency, total, count),) = found.fetchall()
        assert (currency, Decimal(str(total)), count) == ("EUR", Decimal(0), 3)

"""docs/exports.md: its tables name every column, and DuckDB runs its statements as they are."""

import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from gateway.sheets.exports.export import Export
from gateway.sheets.exports.kinds import KINDS
from kit.values import money
from protos.orders.v1 import exports_pb2 as pb
from tests.unit.gateway.sheets.exports.rows import entry, made, order

PAGE = (Path(__file__).parents[5] / "docs/exports.md").read_text()
COLUMN = re.compile(r"^\| `(\w+)` \| (\w+) \|", re.MULTILINE)


def section(heading: str) -> str:
    """Return the text below a heading, up to the next one."""
    text = PAGE.partition(f"\n{heading}\n")[2]
    assert text, heading
    return re.split(r"\n#+ ", text)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_columns_of_each_kind_are_documented(kind: str) -> None:
    found = COLUMN.findall(section(f"### {kind}"))
    assert found == [(column.name, column.type.value) for column in KINDS[kind].columns]


def sale(number: int, day: str, net: str) -> pb.SaleRow:
    return pb.SaleRow(
        transaction_id=f"t-{number}",
        day=day,
        area="FR",
        orders=1,
        amount=money.to_proto(Decimal(net), "EUR"),
        gross=money.to_proto(Decimal(net), "EUR"),
        tax=money.to_proto(Decimal(0), "EUR"),
        refunds=money.to_proto(Decimal(0), "EUR"),
        disputes=money.to_proto(Decimal(0), "EUR"),
    )


def test_duckdb_follows_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def write(name: str, message: object) -> None:
        kind, _, format_ = name.partition(".")
        (tmp_path / name).write_bytes(made(Export(kind, format_), message))

    sold, lost = order(1), order(2)
    sold.sold_day = "2026-11-30"
    write("orders.parquet", pb.ExportOrdersResponse(rows=[sold, lost]))
    entries = [entry(1, "-0.1"), entry(2, "-0.2"), entry(3, "0.3")]
    write("ledger.csv", pb.ExportLedgerResponse(rows=entries))
    write("sales.parquet", pb.ExportSalesResponse(rows=[sale(1, "2026-11-29", "1")]))
    by_day, balances, keep = re.findall(r"```sql\n(.*?)```", section("### DuckDB"), re.DOTALL)
    database = duckdb.connect()
    ((day, currency, count, gross, tax, refunds),) = database.execute(by_day).fetchall()
    assert (str(day), currency, count, gross, tax) == (
        "2026-11-30",
        "EUR",
        1,
        Decimal("19.98"),
        None,
    )
    assert refunds == Decimal("-0.5")
    # As DOUBLE, they would sum to 5.6e-17.
    assert database.execute(balances).fetchall() == [("revenue", "EUR", Decimal(0))]

    assert database.execute(keep).fetchall() == [("FR", "EUR", 1, Decimal(1))]
    # The day again, with a sale that came late, and the next one.
    rows = [sale(1, "2026-11-29", "1"), sale(2, "2026-11-29", "2"), sale(3, "2026-11-30", "4")]
    write("sales.parquet", pb.ExportSalesResponse(rows=rows))
    lost.status = "FAILED"
    write("orders.parquet", pb.ExportOrdersResponse(rows=[lost]))
    assert database.execute(keep).fetchall() == [("FR", "EUR", 3, Decimal(7))]
    stored = database.execute("select id, status from orders order by id").fetchall()
    assert stored == [("order-1", "REFUNDED"), ("order-2", "FAILED")]

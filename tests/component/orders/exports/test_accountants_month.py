"""The accountant's month of docs/analytics.md, word for word, over exports of a running service."""

import asyncio
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from tests.component.orders.exports.a_month import a_month
from tests.component.orders.payments.paid_shop import PaidShop
from tests.fixtures.local.typed_pages import compare, section_of, steps_of
from tests.fixtures.patience import PATIENCE

ROOT = Path(__file__).parents[4]
SECTION = section_of("analytics.md", "The accountant's month")
# A statement, with the table that the page shows below it, if any.
STATEMENT = re.compile(r"^```sql\n(.*?)^```\n\n((?:\|[^\n]*\n)*)", re.MULTILINE | re.DOTALL)
STATEMENTS = STATEMENT.findall(SECTION)
Table = list[list[str]]


def shown(table: str) -> Table:
    """Return the head and the rows of a table of the page."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return rows[:1] + rows[2:]


def returned(statement: str, database: Any) -> Table:
    """Return the head and the rows of a statement as text."""
    result = database.execute(statement)
    rows = [["" if value is None else str(value) for value in row] for row in result.fetchall()]
    return [[column[0] for column in result.description], *rows]


def test_the_page_shows_what_its_statements_return() -> None:
    assert len(STATEMENTS) == SECTION.count("```sql") == 8
    # The one that loads the files, and the one that finds what does not balance.
    assert [bool(table) for _, table in STATEMENTS].count(False) == 2


async def test_a_month_reconciles_from_its_exports_alone(
    paid_shop: PaidShop, tmp_path: Path
) -> None:
    [(commands, lines)] = steps_of(SECTION)
    script = commands.replace("./esimgo", f"PYTHONPATH={ROOT} {sys.executable} -m cli")
    async with a_month(paid_shop) as month:
        typed = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-ec", script],
            cwd=tmp_path,
            env=month.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 3,
            check=True,
        )
    compare([(commands, lines)], [typed.stdout])
    database = duckdb.connect()
    database.execute(f"set file_search_path = '{tmp_path}'")
    (load, _), *statements = STATEMENTS
    database.execute(load)
    for statement, table in statements:
        rows = returned(statement, database)
        assert rows == shown(table) if table else rows[1:] == [], statement

    # The statements would notice an entry that is missing.
    balances, _, agree = (statement for statement, _ in statements[:3])
    database.execute(
        "delete from ledger where account = 'fees' and amount = (select max(amount) from ledger"
        " where account = 'fees')"
    )
    assert len(returned(balances, database)) == 2
    ledger, sales = (row[2:] for row in returned(agree, database)[1:])
    assert [a for a, b in zip(ledger, sales, strict=True) if a != b] == [ledger[-1]]
    assert Decimal(ledger[-1]) < Decimal(sales[-1])

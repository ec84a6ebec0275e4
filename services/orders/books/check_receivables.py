"""Compares what organizations owe with the ledger, and the ledger with their statements."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from kit.db.database import Connection, Database
from services.orders.books.difference import Books, Difference, shown

RUNBOOK = "see docs/runbooks/payments.md#the-books-differ"
MOST = 500

# Both sides of each comparison are read by one statement: a second one could see settlements committed in
# between.
ACCOUNTS = f"""
select id, currency, credit_reserved, credit_owed, reserved, owed from (
    select o.id, o.currency, o.credit_reserved, o.credit_owed,
        coalesce((
            select sum(p.amount) from orders.payments p
            where p.organization_id = o.id and p.method = 'INVOICE' and p.state = 'AUTHORIZED'
        ), 0) as reserved,
        coalesce((
            select sum(e.amount) from orders.ledger_entries e
            where e.account = 'receivable:' || o.id and e.currency = o.currency
        ), 0) as owed
    from orders.organizations o
) compared
where credit_reserved <> reserved or credit_owed <> owed
order by id limit {MOST}
"""  # noqa: S608 - a constant goes in
BILLED = f"""
select t.id, t.kind, l.ledger_transaction_id is not null as on_statement,
    u.ledger_transaction_id is not null as waits, l.amount as billed, e.amount, e.currency
from orders.ledger_transactions t
join orders.ledger_entries e on e.transaction_id = t.id and e.account like 'receivable:%'
left join orders.statement_lines l on l.ledger_transaction_id = t.id
left join orders.unbilled u on u.ledger_transaction_id = t.id
where t.at >= $1 and t.at < $2 and t.kind not in ('STATEMENT_PAYMENT', 'CREDIT_NOTE')
    and ((l.ledger_transaction_id is null) = (u.ledger_transaction_id is null) or l.amount <> e.amount)
order by t.id limit {MOST}
"""  # noqa: S608 - the same
SETTLED = f"""
select s.id, s.kind, s.amount, o.currency, -e.amount as posted
from orders.statement_settlements s join orders.statements o on o.id = s.statement_id
left join orders.ledger_transactions t on t.key = lower(case
    when s.kind = 'PAYMENT' then 'STATEMENT_PAYMENT' else s.kind
end) || ':' || s.id
left join orders.ledger_entries e on e.transaction_id = t.id
    and e.account = 'receivable:' || o.organization_id
where s.kind <> 'CARRIED' and s.at >= $1 and s.at < $2 and e.amount is distinct from - s.amount
order by s.id limit {MOST}
"""  # noqa: S608 - the same
CARRIED = "select sum(amount) from orders.statement_settlements where kind = 'CARRIED'"
NUMBERS = """
select n.series, n.last, count(u.n) as used
from orders.number_series n left join (
    select 'STATEMENT' as series, s.n from orders.statements s
    union all
    select 'CREDIT_NOTE', t.n from orders.statement_settlements t where t.kind = 'CREDIT_NOTE'
) u on u.series = n.series and u.n between 1 and n.last
group by n.series, n.last having count(u.n) <> n.last
order by n.series
"""


class ReceivablesCheck:
    """Yields a difference for each organization, line, settlement and number that is not as it should be."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, start: datetime, end: datetime) -> AsyncIterator[Difference]:
        async with self._database.system() as connection:
            found = [
                *[_account(row) for row in await connection.fetch(ACCOUNTS)],
                *[_billed(row) for row in await connection.fetch(BILLED, start, end)],
                *[_settled(row) for row in await connection.fetch(SETTLED, start, end)],
                *[_numbers(row) for row in await connection.fetch(NUMBERS)],
                *await _carried(connection),
            ]
        for one in found:
            yield one


def _of(code: str, subject: Any, text: str) -> Difference:
    return Difference(Books.RECEIVABLES, code, str(subject), f"{text}; {RUNBOOK}")


def _account(row: Any) -> Difference:
    currency = row["currency"]
    if row["credit_owed"] != row["owed"]:
        owed, ledger = shown(row["credit_owed"], currency), shown(row["owed"], currency)
        return _of(
            "CREDIT_LEDGER_DIFFERS", row["id"], f"it owes {owed}, but the ledger says {ledger}"
        )
    reserved, payments = shown(row["credit_reserved"], currency), shown(row["reserved"], currency)
    return _of(
        "CREDIT_RESERVED_DIFFERS",
        row["id"],
        f"{reserved} of its credit are reserved, but its unfinished orders cost {payments}",
    )


def _billed(row: Any) -> Difference:
    amount = shown(row["amount"], row["currency"])
    if not row["on_statement"] and not row["waits"]:
        text = f"{amount} are on no statement, and on none to come"
        return _of("RECEIVABLE_NOT_BILLED", row["id"], text)
    if row["waits"]:
        text = f"{amount} are on a statement, and would be on the next one too"
        return _of("RECEIVABLE_BILLED_TWICE", row["id"], text)
    billed = shown(row["billed"], row["currency"])
    return _of(
        "STATEMENT_LINE_DIFFERS", row["id"], f"the statement has {billed} instead of {amount}"
    )


def _settled(row: Any) -> Difference:
    amount, currency = shown(row["amount"], row["currency"]), row["currency"]
    posted = "nothing" if row["posted"] is None else shown(row["posted"], currency)
    return _of(
        "SETTLEMENT_DIFFERS",
        row["id"],
        f"the {row['kind'].lower().replace('_', ' ')} is {amount}, but the ledger has {posted}",
    )


def _numbers(row: Any) -> Difference:
    text = f"{row['last']} numbers were given, but {row['used']} are in use"
    return _of("NUMBERS_MISSING", row["series"], text)


async def _carried(connection: Connection) -> list[Difference]:
    carried = await connection.fetchval(CARRIED)
    if not carried:
        return []
    return [_of("CARRIED_DIFFERS", "statements", f"what statements carry sums to {carried}, not 0")]

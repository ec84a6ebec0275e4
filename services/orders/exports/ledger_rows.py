"""Entries of the ledger in exports."""

from typing import Any

from kit.reports.exports import IN_DAYS, text
from kit.values import money, timestamps
from protos.orders.v1 import exports_pb2 as pb

LEDGER = f"""
select t.id, t.n, e.n as entry, (t.at at time zone $3)::date as day, t.at, t.kind, t.key, e.account, e.amount,
    e.currency, t.order_id, t.payment_id, t.actor, t.note
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
where {IN_DAYS.format(at="t.at")}
order by t.at, t.n, e.n
"""  # noqa: S608 - constants only


def to_proto(row: Any) -> pb.LedgerRow:
    return pb.LedgerRow(
        transaction_id=str(row["id"]),
        transaction_number=row["n"],
        entry_number=row["entry"],
        day=str(row["day"]),
        at=timestamps.to_proto(row["at"]),
        kind=row["kind"],
        act=row["key"],
        account=row["account"],
        amount=money.to_proto(row["amount"], row["currency"]),
        order_id=text(row["order_id"]),
        payment_id=text(row["payment_id"]),
        actor=row["actor"],
        note=row["note"],
    )

"""Translates the ledger into its protos."""

from kit.values import money, timestamps
from protos.orders.v1 import books_pb2 as pb
from services.orders.books.difference import Counts, Difference
from services.orders.books.list_store import Recorded
from services.orders.books.posting import Entry


def transaction_to_proto(recorded: Recorded) -> pb.LedgerTransaction:
    return pb.LedgerTransaction(
        id=str(recorded.id),
        kind=recorded.kind,
        order_id=str(recorded.order_id or ""),
        payment_id=str(recorded.payment_id or ""),
        actor=recorded.actor,
        note=recorded.note,
        at=timestamps.to_proto(recorded.at),
        entries=[
            pb.LedgerEntry(account=e.account, amount=money.to_proto(e.amount, e.currency))
            for e in recorded.entries
        ],
    )


def account_to_proto(balance: Entry) -> pb.Account:
    return pb.Account(
        account=balance.account, balance=money.to_proto(balance.amount, balance.currency)
    )


def difference_to_proto(difference: Difference) -> pb.Difference:
    return pb.Difference(
        books=difference.books,
        code=difference.code,
        subject=difference.subject,
        message=difference.message,
    )


def summary_to_proto(counts: Counts) -> pb.BooksSummary:
    return pb.BooksSummary(
        orders=counts.orders,
        payments=counts.payments,
        ledger_transactions=counts.ledger_transactions,
        provider_orders=counts.provider_orders,
        balance_transactions=counts.balance_transactions,
        differences=counts.differences,
        skipped=counts.skipped,
    )

"""Operations of `esimgo books`: the ledger, its accounts, and the comparison of the books."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from cli.config.access import Access
from cli.operators import output
from cli.operators.moments import stamp
from cli.operators.service import Service, connect
from protos.orders.v1 import books_pb2 as pb
from protos.orders.v1.books_pb2_grpc import BooksServiceStub

PAGE = 500
# Seconds. A comparison reads months of orders from eSIM Go and the payment provider.
TIMEOUT = 3600.0
TITLES = ("at", "kind", "account", "amount", "order", "by")


@dataclass(frozen=True, slots=True)
class Books:
    """The books for the finance staff. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def check(self, since: datetime | None, until: datetime | None) -> tuple[list[str], int]:
        """Compare the books; return lines and the number of differences. Times are in this machine's zone."""
        request = pb.CheckBooksRequest(from_date=stamp(since), to_date=stamp(until))
        found: list[pb.Difference] = []
        summary = pb.BooksSummary()
        async for answer in self.service.stream("CheckBooks", request):
            if answer.WhichOneof("result") == "difference":
                found.append(answer.difference)
            else:
                summary = answer.summary
        if self.as_json:
            document = {"differences": list(found), "summary": summary}
            return output.document(document), summary.differences
        lines = [f"{d.code} {d.subject}: {d.message}" for d in found]
        lines += [f"not compared: {reason}" for reason in summary.skipped]
        number = summary.differences
        what = "no difference" if not number else f"{number} difference{'s' if number > 1 else ''}"
        lines.append(
            f"{what} in {summary.orders} orders, {summary.payments} payments,"
            f" {summary.ledger_transactions} ledger transactions, {summary.provider_orders} orders at"
            f" eSIM Go and {summary.balance_transactions} movements at the payment provider"
        )
        return lines, number

    async def ledger(
        self,
        limit: int,
        *,
        account: str | None,
        order_id: str | None,
        since: datetime | None,
        until: datetime | None,
    ) -> list[str]:
        """List transactions, newest first."""
        request = pb.ListLedgerRequest(
            account=account,
            order_id=order_id,
            from_date=stamp(since),
            to_date=stamp(until),
            page_size=min(limit, PAGE),
        )
        found = await self.service.listed("ListLedger", request, "transactions", limit)
        if self.as_json:
            return output.document(found)
        rows = [row for transaction in found for row in _rows(transaction)]
        return output.table(TITLES, rows, "no transaction")

    async def accounts(self, at: datetime | None) -> list[str]:
        """List the balance of every account."""
        request = pb.ListAccountsRequest(at=stamp(at))
        found = list((await self.service.call("ListAccounts", request)).accounts)
        if self.as_json:
            return output.document(found)
        rows = [(one.account, output.amount(one.balance)) for one in found]
        return output.table(("account", "balance"), rows, "no account")


@asynccontextmanager
async def open_books(access: Access, token: str | None, *, as_json: bool) -> AsyncIterator[Books]:
    """Connect with the token of the finance staff, or else with the service role key."""
    async with connect(access, "orders", BooksServiceStub, token=token, timeout=TIMEOUT) as service:
        yield Books(service, as_json)


def _rows(transaction: pb.LedgerTransaction) -> list[tuple[str, ...]]:
    """Return a row for each entry; the first one says what the transaction is about."""
    head = (output.moment(transaction, "at"), transaction.kind)
    tail = (transaction.order_id, transaction.actor)
    return [
        (
            *(head if n == 0 else ("", "")),
            entry.account,
            output.amount(entry.amount),
            *(tail if n == 0 else ("", "")),
        )
        for n, entry in enumerate(transaction.entries)
    ]

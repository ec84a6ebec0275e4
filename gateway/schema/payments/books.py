"""The ledger, for the finance staff."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.execution.auth import finance_field
from gateway.execution.columns import exact_amount, float_amount, text, timestamp
from gateway.execution.views import View, listed, read, views
from gateway.schema import inputs
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    FirstArgument,
    PageInfo,
    page_info,
    page_of,
    page_size,
)
from gateway.upstream.context import Info
from protos.orders.v1 import books_pb2


@strawberry.type(description="One side of a ledger transaction.")
class LedgerEntry(View):
    account: str = read("account", description="Account, such as revenue or clearing:stripe.")
    amount: float = read(
        float_amount("amount"), description="Positive: a debit. Negative: a credit."
    )
    amount_exact: str = read(
        exact_amount("amount"), description="The exact amount as a decimal string."
    )
    currency: str = read("amount.currency_code", description="ISO 4217 code of the amount.")
    proto: strawberry.Private[books_pb2.LedgerEntry]


@strawberry.type(
    description="An act that moved money. Its entries sum to zero in each currency, and never change."
)
class LedgerTransaction(View):
    id: strawberry.ID = read("id", description="A UUID.")
    kind: str = read(
        "kind", description="Such as TAKE, SALE, COST, FEE, REFUND, TOP_UP or DISPUTE."
    )
    order_id: strawberry.ID | None = read(
        text("order_id"), description="The order that it belongs to; null if none."
    )
    payment_id: strawberry.ID | None = read(
        text("payment_id"), description="The payment that it belongs to; null if none."
    )
    actor: str = read("actor", description="Program or account that caused it.")
    note: str | None = read(text("note"), description="Note of the staff; null if none.")
    at: datetime = read(timestamp("at"), description="When it was posted.")
    entries: list[LedgerEntry] = listed(
        "entries", LedgerEntry, description="The entries, at least two."
    )
    proto: strawberry.Private[books_pb2.LedgerTransaction]


@strawberry.type(description="A ledger transaction and its cursor.")
class LedgerEdge:
    cursor: str = strawberry.field(description="Cursor of this transaction, to pass as `after`.")
    node: LedgerTransaction = strawberry.field(description="The transaction.")


@strawberry.type(description="A page of ledger transactions.")
class LedgerConnection:
    edges: list[LedgerEdge] = strawberry.field(description="The transactions of this page.")
    page_info: PageInfo = strawberry.field(description="Position of this page.")


@strawberry.type(description="Balance of one account of the ledger in one currency.")
class LedgerAccount(View):
    account: str = read("account", description="Account, such as revenue or clearing:stripe.")
    balance: float = read(
        float_amount("balance"),
        description="Positive: debits exceed credits. Negative: the reverse.",
    )
    balance_exact: str = read(
        exact_amount("balance"), description="The exact balance as a decimal string."
    )
    currency: str = read("balance.currency_code", description="ISO 4217 code of the balance.")
    proto: strawberry.Private[books_pb2.Account]


@strawberry.input(
    description="Filter for ledger transactions. A transaction must match every condition that is set."
)
class LedgerFilter:
    account: str | None = strawberry.field(
        default=None, description="Only transactions with an entry of this account."
    )
    order_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only transactions of this order."
    )
    from_date: datetime | None = strawberry.field(
        default=None,
        description="Only transactions posted at or after this time. A time without a zone is UTC.",
    )
    to_date: datetime | None = strawberry.field(
        default=None,
        description="Only transactions posted before this time. A time without a zone is UTC.",
    )


FilterArgument = Annotated[
    LedgerFilter | None,
    strawberry.argument(description="Filter for the transactions to return. Omit to return all."),
]
AtArgument = Annotated[
    datetime | None,
    strawberry.argument(
        description="Time of the balances. A time without a zone is UTC. Omit for now."
    ),
]


@strawberry.type
class BooksQueries:
    """Mixed into Query."""

    @finance_field(description="Ledger transactions, the newest first, as a paginated connection.")
    async def ledger(
        self,
        info: Info,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
        filter: FilterArgument = None,
    ) -> LedgerConnection | None:
        given = filter or LedgerFilter()
        request = books_pb2.ListLedgerRequest(
            account=given.account,
            order_id=given.order_id,
            from_date=inputs.moment("filter.from_date", given.from_date),
            to_date=inputs.moment("filter.to_date", given.to_date),
            page_size=page_size(first),
            page_token=after or "",
        )
        page = await page_of(info.context.call(info.context.peers.books.ListLedger, request))
        info.context.spend(len(page.transactions))
        pairs = zip(page.row_tokens, page.transactions, strict=True)
        return LedgerConnection(
            edges=[LedgerEdge(cursor=c, node=LedgerTransaction.of(one)) for c, one in pairs],
            page_info=page_info(page.row_tokens, page.next_page_token, after),
        )

    @finance_field(description="Balances of all accounts of the ledger.")
    async def accounts(self, info: Info, at: AtArgument = None) -> list[LedgerAccount] | None:
        request = books_pb2.ListAccountsRequest(at=inputs.moment("at", at))
        answer = await info.context.call(info.context.peers.books.ListAccounts, request)
        info.context.spend(len(answer.accounts))
        return views(LedgerAccount, answer.accounts)

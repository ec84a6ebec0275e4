"""The gRPC methods of the books service."""

from collections.abc import AsyncIterator

from kit.db.database import Database
from kit.rpc.call import Context
from protos.orders.v1 import books_pb2 as pb
from protos.orders.v1 import books_pb2_grpc
from services.orders.books import list_store, messages, requests
from services.orders.books.check import BooksCheck
from services.orders.books.difference import Counts


class BooksServicer(books_pb2_grpc.BooksServiceServicer):
    """Lists the ledger, and compares it with everything that it should agree with."""

    def __init__(self, database: Database, check: BooksCheck) -> None:
        self._database = database
        self._check = check

    async def ListLedger(
        self, request: pb.ListLedgerRequest, context: Context
    ) -> pb.ListLedgerResponse:
        wanted, size, before = requests.listing(request)
        async with self._database.system() as connection:
            # One more than requested, to find out if there is a next page.
            found = await list_store.list_page(connection, wanted, before, size + 1)
        page = found[:size]
        tokens = [requests.next_page(request, recorded.n) for recorded in page]
        return pb.ListLedgerResponse(
            transactions=[messages.transaction_to_proto(recorded) for recorded in page],
            next_page_token=tokens[-1] if len(found) > size else "",
            row_tokens=tokens,
        )

    async def ListAccounts(
        self, request: pb.ListAccountsRequest, context: Context
    ) -> pb.ListAccountsResponse:
        at = requests.moment(request)
        async with self._database.system() as connection:
            found = await list_store.balances(connection, at)
        return pb.ListAccountsResponse(
            accounts=[messages.account_to_proto(balance) for balance in found]
        )

    async def CheckBooks(
        self, request: pb.CheckBooksRequest, context: Context
    ) -> AsyncIterator[pb.CheckBooksResponse]:
        start, end = requests.period(request, self._database.now())
        counts = Counts()
        async for difference in self._check.run(start, end, counts):
            yield pb.CheckBooksResponse(difference=messages.difference_to_proto(difference))
        yield pb.CheckBooksResponse(summary=messages.summary_to_proto(counts))

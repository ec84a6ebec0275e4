"""The ledger and its accounts in GraphQL."""

from protos.orders.v1 import books_pb2
from tests.fixtures.answers.payments import eur
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT, ORDER_ID


async def test_the_finance_staff_reads_the_ledger(gateway: Gateway, finance: Client) -> None:
    gateway.books.answers["ListLedger"] = books_pb2.ListLedgerResponse(
        transactions=[
            books_pb2.LedgerTransaction(
                id="t",
                kind="SALE",
                order_id=ORDER_ID,
                actor="service",
                at=MOMENT,
                entries=[
                    books_pb2.LedgerEntry(account="deposits", amount=eur("9.99")),
                    books_pb2.LedgerEntry(account="revenue", amount=eur("-9.99")),
                ],
            )
        ],
        row_tokens=["r1"],
        next_page_token="r1",
    )
    gateway.books.answers["ListAccounts"] = books_pb2.ListAccountsResponse(
        accounts=[books_pb2.Account(account="revenue", balance=eur("-9.99"))]
    )
    answer = await finance.ask(
        """{ ledger(first: 1, filter: {account: "revenue", orderId: "o", toDate: "2026-02-02T02:40:00Z"}) {
             edges { cursor node { id kind orderId paymentId actor note at
               entries { account amount amountExact currency } } }
             pageInfo { hasNextPage endCursor } }
             accounts { account balance balanceExact currency } }"""
    )
    assert answer.data == {
        "ledger": {
            "edges": [
                {
                    "cursor": "r1",
                    "node": {
                        "id": "t",
                        "kind": "SALE",
                        "orderId": ORDER_ID,
                        "paymentId": None,
                        "actor": "service",
                        "note": None,
                        "at": ISO,
                        "entries": [
                            {
                                "account": "deposits",
                                "amount": 9.99,
                                "amountExact": "9.99",
                                "currency": "EUR",
                            },
                            {
                                "account": "revenue",
                                "amount": -9.99,
                                "amountExact": "-9.99",
                                "currency": "EUR",
                            },
                        ],
                    },
                }
            ],
            "pageInfo": {"hasNextPage": True, "endCursor": "r1"},
        },
        "accounts": [
            {"account": "revenue", "balance": -9.99, "balanceExact": "-9.99", "currency": "EUR"}
        ],
    }
    requests = {type(one).__name__: one for one in gateway.books.requests}
    assert requests["ListLedgerRequest"] == books_pb2.ListLedgerRequest(
        account="revenue", order_id="o", to_date=MOMENT, page_size=1
    )

"""Wallets in GraphQL: their balances, entries and top-ups, and who sees them."""

from protos.orders.v1 import payments_pb2 as pb
from tests.fixtures.answers.payments import SECRET, WALLET, eur, payment
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT, ORDER_ID
from tests.fixtures.sandboxes import Auth

WALLETS = """query($id: ID) { wallets(customerId: $id) {
    id available availableExact held heldExact currency } }"""


async def test_wallets_and_their_entries(gateway: Gateway, ann: Client) -> None:
    gateway.payments.answers["ListWallets"] = pb.ListWalletsResponse(wallets=[WALLET])
    assert (await ann.ask(WALLETS)).data["wallets"] == [
        {
            "id": "w",
            "available": 20.5,
            "availableExact": "20.5",
            "held": 1.0,
            "heldExact": "1",
            "currency": "EUR",
        }
    ]
    query = "query($c: String!) { walletBalance(currency: $c) { available } }"
    assert (await ann.ask(query, c="eur")).data["walletBalance"] == {"available": 20.5}
    assert (await ann.ask(query, c="USD")).data["walletBalance"] is None

    entry = pb.WalletEntry(
        id="e",
        kind="DEBIT",
        amount=eur("-9.99"),
        available_after=eur("10.51"),
        order_id=ORDER_ID,
        at=MOMENT,
        row_token="t1",
    )
    gateway.payments.answers["ListWalletEntries"] = pb.ListWalletEntriesResponse(
        entries=[entry], next_page_token="t1"
    )
    answer = await ann.ask(
        """{ walletEntries(walletId: "w", first: 1, after: "t0") { edges { cursor node { id kind amount
             amountExact availableAfter availableAfterExact currency orderId at } }
             pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    )
    assert answer.data["walletEntries"] == {
        "edges": [
            {
                "cursor": "t1",
                "node": {
                    "id": "e",
                    "kind": "DEBIT",
                    "amount": -9.99,
                    "amountExact": "-9.99",
                    "availableAfter": 10.51,
                    "availableAfterExact": "10.51",
                    "currency": "EUR",
                    "orderId": ORDER_ID,
                    "at": ISO,
                },
            }
        ],
        "pageInfo": {
            "hasNextPage": True,
            "hasPreviousPage": True,
            "startCursor": "t1",
            "endCursor": "t1",
        },
    }
    assert gateway.payments.requests[-1] == pb.ListWalletEntriesRequest(
        wallet_id="w", page_size=1, page_token="t0"
    )


async def test_only_the_finance_staff_sees_wallets_of_others(
    gateway: Gateway, ann: Client, auth: Auth, finance: Client
) -> None:
    gateway.payments.answers["ListWallets"] = pb.ListWalletsResponse(wallets=[WALLET])
    support = gateway.client.signed_in(await auth.token("sue@example.com", role="support"))
    for client in (ann, support):
        answer = await client.ask(WALLETS, id="c")
        assert answer.code == "FORBIDDEN"
    assert not gateway.payments.calls
    assert (await finance.ask(WALLETS, id="c")).data["wallets"][0]["id"] == "w"
    assert gateway.payments.requests == [pb.ListWalletsRequest(customer_id="c")]


TOP_UP = """mutation($input: TopUpInput!) { topUpWallet(input: $input) {
    success code error payment { id clientSecret order { id } } } }"""


async def test_a_top_up_reaches_the_service(gateway: Gateway, ann: Client) -> None:
    gateway.payments.answers["TopUpWallet"] = pb.TopUpWalletResponse(
        payment=payment("", client_secret=SECRET)
    )
    given = {"amount": "25.00", "currency": "EUR", "idempotencyKey": "k", "returnUrl": "https://s"}
    answer = await ann.ask(TOP_UP, input=given)
    assert answer.data["topUpWallet"]["payment"] == {
        "id": payment().id,
        "clientSecret": SECRET,
        "order": None,
    }
    assert gateway.payments.requests == [
        pb.TopUpWalletRequest(
            amount=eur("25"),
            return_url="https://s",
            idempotency_key="k",
            client_address="127.0.0.1",
        )
    ]
    refused = (await ann.ask(TOP_UP, input={**given, "amount": "1e3"})).data["topUpWallet"]
    assert (refused["success"], refused["code"]) == (False, "INVALID_ARGUMENT")
    assert refused["error"].startswith("input.amount: must be a decimal number")

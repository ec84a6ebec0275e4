"""A customer's own payments: resuming one, and the prepaid wallets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.execution.columns import exact_amount, float_amount, text, timestamp
from gateway.execution.views import View, read, views
from gateway.schema import inputs, results
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    FirstArgument,
    PageInfo,
    page_info,
    page_of,
    page_size,
)
from gateway.schema.orders.orders import OrderIdArgument
from gateway.schema.payments.types import RETURN_URL, SAVE, Payment
from gateway.upstream.context import Info
from kit.auth.sessions import Role
from protos.orders.v1 import payments_pb2


@strawberry.type(description="A prepaid balance in one currency.")
class Wallet(View):
    id: strawberry.ID = read("id", description="A UUID.")
    organization_id: strawberry.ID | None = read(
        text("organization_id"),
        description="The organization whose wallet it is; null for a customer's.",
    )
    available: float = read(float_amount("available"), description="What its owner can spend.")
    available_exact: str = read(
        exact_amount("available"),
        description='The exact available amount as a decimal string, such as "20.5".',
    )
    held: float = read(
        float_amount("held"),
        description="Reserved for unfinished orders, and not part of what is available.",
    )
    held_exact: str = read(
        exact_amount("held"), description="The exact reserved amount as a decimal string."
    )
    currency: str = read("available.currency_code", description="ISO 4217 code of the amounts.")
    proto: strawberry.Private[payments_pb2.Wallet]


@strawberry.type(description="A change of a wallet.")
class WalletEntry(View):
    id: strawberry.ID = read("id", description="A UUID.")
    kind: str = read(
        "kind",
        description="TOP_UP, HOLD, RELEASE, DEBIT, REFUND, CORRECTION, DISPUTE or DISPUTE_RETURN; more may be"
        " added.",
    )
    amount: float = read(
        float_amount("amount"),
        description="What it added to the available amount; may be negative or 0.",
    )
    amount_exact: str = read(
        exact_amount("amount"), description="The exact amount as a decimal string."
    )
    available_after: float = read(
        float_amount("available_after"), description="The available amount after the change."
    )
    available_after_exact: str = read(
        exact_amount("available_after"),
        description="The exact available amount after the change, as a decimal string.",
    )
    currency: str = read("amount.currency_code", description="ISO 4217 code of the amounts.")
    order_id: strawberry.ID | None = read(
        text("order_id"), description="The order that it belongs to; null if none."
    )
    at: datetime = read(timestamp("at"), description="When the wallet changed.")
    proto: strawberry.Private[payments_pb2.WalletEntry]


@strawberry.type(description="A change of a wallet and its cursor.")
class WalletEntryEdge:
    cursor: str = strawberry.field(description="Cursor of this entry, to pass as `after`.")
    node: WalletEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of changes of a wallet.")
class WalletEntryConnection:
    edges: list[WalletEntryEdge] = strawberry.field(description="The entries of this page.")
    page_info: PageInfo = strawberry.field(description="Position of this page.")


@strawberry.type(
    description="Result of `resumePayment`, `topUpWallet`, `releaseOrder`, `rejectOrder` and `markOrderPaid`."
)
class PaymentResult:
    success: bool = strawberry.field(description=results.SUCCESS)
    payment: Payment | None = strawberry.field(
        default=None, description="The payment; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("PAYMENT_NOT_OPEN")

    @classmethod
    def of(cls, payment: payments_pb2.Payment) -> Self:
        return cls(success=True, payment=Payment.of(payment))


@strawberry.input(description="A top-up of the caller's wallet, which is paid by card.")
class TopUpInput:
    amount: str = strawberry.field(description='Amount as a decimal string, such as "25.00".')
    currency: str = strawberry.field(
        description="ISO 4217 code of the currency: one that the shop sells in."
    )
    idempotency_key: str = strawberry.field(
        description="Unique key of this top-up, up to 200 visible ASCII characters. Repeating a request with"
        " the same key returns the existing top-up."
    )
    return_url: str | None = strawberry.field(default=None, description=RETURN_URL)
    save_payment_method: bool = strawberry.field(default=False, description=SAVE)


WalletIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The wallet's id.")]
TopUpIdArgument = Annotated[
    strawberry.ID, strawberry.argument(description="Id of the top-up's payment.")
]
CurrencyArgument = Annotated[str, strawberry.argument(description="ISO 4217 code of the currency.")]
TopUpArgument = Annotated[TopUpInput, strawberry.argument(description="The top-up.")]
CustomerArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Account whose wallets to return; for the finance staff and administrators only. Omit for"
        " the caller's own."
    ),
]

OrganizationArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Organization whose wallet to return; for its owners, managers and finance members, and"
        " the finance staff. Omit for the caller's own."
    ),
]


@strawberry.type
class WalletQueries:
    """Mixed into Query."""

    @auth_field(
        description="The caller's prepaid balances, one for each currency, or that of an organization."
    )
    async def wallets(
        self,
        info: Info,
        customer_id: CustomerArgument = None,
        organization_id: OrganizationArgument = None,
    ) -> list[Wallet] | None:
        if customer_id is not None:
            info.context.require_role(Role.FINANCE)
        found = await _wallets(info, customer_id, organization_id)
        return views(Wallet, found)

    @auth_field(
        description="The caller's prepaid balance in one currency; null if there is none, which means 0."
    )
    async def wallet_balance(self, info: Info, currency: CurrencyArgument) -> Wallet | None:
        for wallet in await _wallets(info):
            if wallet.available.currency_code == currency.upper():
                return Wallet.of(wallet)
        return None

    @auth_field(description="Changes of a wallet, the newest first, as a paginated connection.")
    async def wallet_entries(
        self,
        info: Info,
        wallet_id: WalletIdArgument,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> WalletEntryConnection | None:
        request = payments_pb2.ListWalletEntriesRequest(
            wallet_id=wallet_id, page_size=page_size(first), page_token=after or ""
        )
        page = await page_of(
            info.context.call(info.context.peers.payments.ListWalletEntries, request)
        )
        info.context.spend(len(page.entries))
        cursors = [entry.row_token for entry in page.entries]
        return WalletEntryConnection(
            edges=[
                WalletEntryEdge(cursor=entry.row_token, node=WalletEntry.of(entry))
                for entry in page.entries
            ],
            page_info=page_info(cursors, page.next_page_token, after),
        )

    @auth_field(
        description="One top-up of the caller, with what is needed to pay it. Fails with NOT_FOUND if the"
        " id is unknown or belongs to another customer."
    )
    async def top_up(self, info: Info, id: TopUpIdArgument) -> Payment | None:
        request = payments_pb2.GetTopUpRequest(payment_id=id)
        with naming(payment_id="id"):
            answer = await info.context.call(info.context.peers.payments.GetTopUp, request)
        return Payment.of(answer.payment)


@strawberry.type
class WalletMutations:
    """Mixed into Mutation."""

    @auth_field(
        description="Returns the payment of an unpaid order with what is needed to pay it, for customers who"
        " come back. An order has one payment, however often this is called. Only the account that placed the"
        " order can continue it."
    )
    @results.refusable(PaymentResult)
    async def resume_payment(self, info: Info, order_id: OrderIdArgument) -> PaymentResult | None:
        request = payments_pb2.ResumePaymentRequest(order_id=order_id)
        answer = await info.context.change(info.context.peers.payments.ResumePayment, request)
        info.context.loaders.payments.add({answer.payment.order_id: answer.payment})
        return PaymentResult.of(answer.payment)

    @auth_field(
        description="Starts a payment by card that adds to the caller's wallet in the currency of the amount."
        " Query `topUp` for the outcome."
    )
    @results.refusable(PaymentResult)
    async def top_up_wallet(
        self,
        info: Info,
        input: TopUpArgument,
    ) -> PaymentResult | None:
        request = payments_pb2.TopUpWalletRequest(
            amount=inputs.amount("input.amount", input.amount, input.currency),
            return_url=input.return_url or "",
            save_payment_method=input.save_payment_method,
            client_address=info.context.caller.address() or "",
            idempotency_key=input.idempotency_key,
        )
        with naming(amount="input.amount", return_url="input.return_url"):
            answer = await info.context.change(info.context.peers.payments.TopUpWallet, request)
        return PaymentResult.of(answer.payment)


async def _wallets(
    info: Info, customer_id: str | None = None, organization_id: str | None = None
) -> Sequence[payments_pb2.Wallet]:
    request = payments_pb2.ListWalletsRequest(
        customer_id=customer_id, organization_id=organization_id
    )
    answer = await info.context.call(info.context.peers.payments.ListWallets, request)
    info.context.spend(len(answer.wallets))
    return answer.wallets

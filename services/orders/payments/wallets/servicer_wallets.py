"""The gRPC methods of wallets."""

import logging

from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind, invalid
from kit.logs.episodes import Episodes
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks, money, page_token, timestamps
from kit.values.checks import Checks
from protos.orders.v1 import payments_pb2 as pb
from services.orders.books import postings
from services.orders.books import store as books
from services.orders.customer_store import ERASED_CUSTOMER
from services.orders.organizations import callers, membership
from services.orders.organizations.membership import ACCOUNTING
from services.orders.payment import Payment
from services.orders.payments import messages, money_requests, store
from services.orders.payments.money_requests import Correction
from services.orders.payments.opening import choosing
from services.orders.payments.paying import Paying
from services.orders.payments.wallets import wallet_reads, wallet_store
from services.orders.payments.wallets.top_up import TopUps, Wanted
from services.orders.payments.wallets.wallet_reads import Wallet, WalletEntry

episodes = Episodes(logging.getLogger(__name__))


class WalletMethods:
    """Reads, tops up and corrects wallets."""

    def __init__(self, database: Database, paying: Paying, top_ups: TopUps) -> None:
        self._database = database
        self._paying = paying
        self._top_ups = top_ups

    async def ListWallets(
        self, request: pb.ListWalletsRequest, context: Context
    ) -> pb.ListWalletsResponse:
        session = rpc_guard.session()
        if request.HasField("organization_id"):
            return await self._of_organization(request)
        owner = session.user_id
        if request.HasField("customer_id"):
            owner = checks.one_id("customer_id", request.customer_id)
            if owner != session.user_id and not _is_finance(session):
                raise Failure(
                    Kind.FORBIDDEN,
                    "FINANCE_ONLY",
                    "Only the finance staff sees the wallets of others; leave out the customer",
                )
        if owner is None:
            raise _without_wallet()
        async with self._database.system() as connection:
            found = await wallet_reads.of_owner(connection, owner)
        return pb.ListWalletsResponse(wallets=[wallet_to_proto(wallet) for wallet in found])

    async def _of_organization(self, request: pb.ListWalletsRequest) -> pb.ListWalletsResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        if request.HasField("customer_id"):
            raise invalid({"customer_id": "must be absent if an organization is given"})
        async with self._database.system() as connection:
            await callers.authorize(connection, organization_id, ACCOUNTING, staff=Role.FINANCE)
            found = await wallet_reads.of_owner(connection, organization_id)
        return pb.ListWalletsResponse(wallets=[wallet_to_proto(wallet) for wallet in found])

    async def ListWalletEntries(
        self, request: pb.ListWalletEntriesRequest, context: Context
    ) -> pb.ListWalletEntriesResponse:
        session = rpc_guard.session()
        wallet_id, size, before = money_requests.entries(request)
        async with self._database.system() as connection:
            wallet = await wallet_reads.get(connection, wallet_id)
            if wallet is None or not await _sees(connection, session, wallet):
                raise Failure(
                    Kind.NOT_FOUND,
                    "WALLET_NOT_FOUND",
                    "No wallet of yours has this id; list your wallets",
                )
            # One more than requested, to find out if there is a next page.
            found = await wallet_reads.list_entries(connection, wallet_id, before, size + 1)
        page = found[:size]
        tokens = [page_token.write_number(request, entry.n) for entry in page]
        return pb.ListWalletEntriesResponse(
            entries=[
                entry_to_proto(entry, wallet.currency, token)
                for entry, token in zip(page, tokens, strict=True)
            ],
            next_page_token=tokens[-1] if len(found) > size else "",
        )

    async def TopUpWallet(
        self, request: pb.TopUpWalletRequest, context: Context
    ) -> pb.TopUpWalletResponse:
        session = rpc_guard.session()
        checks = Checks()
        amount, currency, key = money_requests.top_up(checks, request)
        wanted = Wanted(
            amount,
            currency,
            choosing.return_url(checks, "return_url", request.return_url),
            request.save_payment_method,
            choosing.client_address(checks, "client_address", request.client_address),
            key,
        )
        checks.done()
        if session.user_id is None:
            raise _without_wallet()
        payment = await self._top_ups.record(session.user_id, wanted)
        return pb.TopUpWalletResponse(payment=await self._top_up(session, payment))

    async def GetTopUp(self, request: pb.GetTopUpRequest, context: Context) -> pb.GetTopUpResponse:
        session = rpc_guard.session()
        payment_id = checks.one_id("payment_id", request.payment_id)
        async with self._database.system() as connection:
            payment = await store.get(connection, payment_id)
        seen = payment is not None and (
            payment.customer_id == session.user_id or _is_finance(session)
        )
        if payment is None or payment.order_id is not None or not seen:
            raise Failure(
                Kind.NOT_FOUND,
                "TOP_UP_NOT_FOUND",
                "No top-up of yours has this id; use the id of the payment that the top-up returned",
            )
        return pb.GetTopUpResponse(payment=await self._top_up(session, payment))

    async def _top_up(self, session: Session, payment: Payment) -> pb.Payment:
        """Return a top-up; if the payment provider can't be reached, without what its client needs to pay."""
        if payment.customer_id != session.user_id:
            return messages.payment_to_proto(payment, session)
        try:
            return await self._paying.resumed(session, payment)
        except Failure as failure:
            episodes.record(
                f"top-ups can't be started: {failure.reason}",
                "the top-up %s is not started yet: %s",
                payment.id,
                failure,
            )
            return messages.payment_to_proto(payment, session)

    async def CorrectWallet(
        self, request: pb.CorrectWalletRequest, context: Context
    ) -> pb.CorrectWalletResponse:
        wanted = money_requests.correction(request)
        actor = callers.actor()
        if wanted.owner_id == ERASED_CUSTOMER:
            raise _without_wallet()
        amount = wanted.amount
        async with self._database.system() as connection:
            await _check_organization(connection, wanted)
            wallet_id = await wallet_store.get_or_create(
                connection, wanted.owner_id, wanted.currency
            )
            posting = postings.corrected(
                wallet_id,
                amount,
                wanted.currency,
                wanted.key,
                wanted.note,
                received=wanted.received,
            )
            try:
                new = await books.post(connection, posting, actor=actor)
            except books.PostedDifferentlyError:
                raise Failure(
                    Kind.CONFLICT,
                    "IDEMPOTENCY_CONFLICT",
                    "This key was used for another correction of this wallet; use a new key",
                ) from None
            if new and not await wallet_store.correct(
                connection, wallet_id, amount, wanted.note, actor
            ):
                raise Failure(
                    Kind.REFUSED,
                    "WALLET_TOO_LOW",
                    "The wallet has less than that available; what it holds for orders can't be taken",
                )
            wallet = await wallet_reads.get(connection, wallet_id)
        return pb.CorrectWalletResponse(wallet=wallet_to_proto(wallet) if wallet else None)


def wallet_to_proto(wallet: Wallet) -> pb.Wallet:
    return pb.Wallet(
        id=str(wallet.id),
        customer_id="" if wallet.of_organization else str(wallet.owner_id),
        organization_id=str(wallet.owner_id) if wallet.of_organization else "",
        available=money.to_proto(wallet.available, wallet.currency),
        held=money.to_proto(wallet.held, wallet.currency),
    )


def entry_to_proto(entry: WalletEntry, currency: str, token: str) -> pb.WalletEntry:
    return pb.WalletEntry(
        id=str(entry.id),
        kind=entry.kind,
        amount=money.to_proto(entry.available, currency),
        available_after=money.to_proto(entry.available_after, currency),
        order_id=str(entry.order_id or ""),
        at=timestamps.to_proto(entry.at),
        row_token=token,
    )


async def _sees(connection: Connection, session: Session, wallet: Wallet) -> bool:
    if _is_finance(session) or wallet.owner_id == session.user_id:
        return True
    if not wallet.of_organization or session.user_id is None:
        return False
    try:
        member = await membership.find(connection, wallet.owner_id, session.user_id)
    except Failure:
        return False
    return member.role in ACCOUNTING


async def _check_organization(connection: Connection, wanted: Correction) -> None:
    """Raise Failure NOT_FOUND for an unknown organization, INVALID for a currency that is not its own.

    An organization may also be named as a customer.
    """
    currency = await wallet_reads.organization_currency(connection, wanted.owner_id)
    if currency is None and wanted.of_organization:
        raise Failure(
            Kind.NOT_FOUND,
            "ORGANIZATION_NOT_FOUND",
            "There is no organization with this id; list the organizations",
        )
    if currency not in (None, wanted.currency):
        raise invalid({"amount": f"must be in {currency}, the currency of the organization"})


def _is_finance(session: Session) -> bool:
    return session.role in SUFFICIENT[Role.FINANCE]


def _without_wallet() -> Failure:
    return Failure(
        Kind.INVALID,
        "INVALID_ARGUMENT",
        "customer_id: must name a customer: services and erased customers have no wallets",
        fields={
            "customer_id": "must name a customer: services and erased customers have no wallets"
        },
    )

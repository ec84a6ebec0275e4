"""Operations of `esimgo wallets`: prepaid balances of customers and organizations, and their corrections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

from cli.config.access import Access
from cli.operators import output
from cli.operators.finance.payments import repeatable, to_money
from cli.operators.service import Service, connect
from protos.orders.v1 import payments_pb2 as pb
from protos.orders.v1.payments_pb2_grpc import PaymentsServiceStub

PAGE = 500
TITLES = ("at", "kind", "amount", "available after", "order")


@dataclass(frozen=True, slots=True)
class Wallets:
    """Wallets of customers and organizations. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def show(self, owner: UUID, limit: int, *, of_organization: bool = False) -> list[str]:
        """Show an owner's wallets with their latest changes, the newest first."""
        request = (
            pb.ListWalletsRequest(organization_id=str(owner))
            if of_organization
            else pb.ListWalletsRequest(customer_id=str(owner))
        )
        wallets = (await self.service.call("ListWallets", request)).wallets
        found = [(wallet, await self._entries(wallet.id, limit)) for wallet in wallets]
        if self.as_json:
            return output.document(
                [{"wallet": wallet, "entries": entries} for wallet, entries in found]
            )
        lines = []
        for wallet, entries in found:
            lines += [
                "",
                *_balance(wallet),
                *output.table(TITLES, map(_row, entries), "no changes"),
            ]
        whose = "organization" if of_organization else "customer"
        return lines[1:] or [f"this {whose} has no wallet"]

    async def correct(
        self,
        owner: UUID,
        amount: Decimal,
        currency: str,
        note: str,
        key: str | None,
        *,
        of_organization: bool = False,
        received: bool = False,
    ) -> list[str]:
        """Add to the balance, or subtract from it."""
        key = key or str(uuid4())
        request = pb.CorrectWalletRequest(
            customer_id="" if of_organization else str(owner),
            organization_id=str(owner) if of_organization else "",
            received=received,
            amount=to_money(amount, currency),
            note=note,
            idempotency_key=key,
        )
        wallet = (await repeatable(self.service, "CorrectWallet", request, key)).wallet
        return output.document(wallet) if self.as_json else _balance(wallet)

    async def _entries(self, wallet_id: str, limit: int) -> list[pb.WalletEntry]:
        request = pb.ListWalletEntriesRequest(wallet_id=wallet_id, page_size=min(limit, PAGE))
        return await self.service.listed("ListWalletEntries", request, "entries", limit)


@asynccontextmanager
async def open_wallets(
    access: Access, token: str | None, *, as_json: bool
) -> AsyncIterator[Wallets]:
    """Connect with the token of the finance staff, or else with the service role key."""
    async with connect(access, "orders", PaymentsServiceStub, token=token) as service:
        yield Wallets(service, as_json)


def _balance(wallet: pb.Wallet) -> list[str]:
    held = output.amount(wallet.held)
    return [f"wallet {wallet.id}: {output.amount(wallet.available)} available, {held} held"]


def _row(entry: pb.WalletEntry) -> tuple[str, ...]:
    return (
        output.moment(entry, "at"),
        entry.kind.lower().replace("_", "-"),
        output.amount(entry.amount),
        output.amount(entry.available_after),
        entry.order_id,
    )

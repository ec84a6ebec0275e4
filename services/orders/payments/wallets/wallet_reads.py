"""SQL that reads wallets and their entries, and corrects a balance."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection


@dataclass(frozen=True, slots=True)
class Wallet:
    """The prepaid balance of one owner, a customer or an organization, in one currency."""

    id: UUID
    owner_id: UUID
    currency: str
    available: Decimal
    held: Decimal
    of_organization: bool


@dataclass(frozen=True, slots=True)
class WalletEntry:
    """One change of a wallet; `available` is what it added. `n` is its place among all entries."""

    id: UUID
    n: int
    kind: str
    available: Decimal
    available_after: Decimal
    order_id: UUID | None
    at: datetime


COLUMNS = """w.id, w.owner_id, w.currency, w.available, w.held,
    exists (select from orders.organizations o where o.id = w.owner_id) as of_organization"""
OF_OWNER = f"""
select {COLUMNS} from orders.wallets w where w.owner_id = $1 order by w.currency
"""  # noqa: S608 - only COLUMNS goes in
GET = f"select {COLUMNS} from orders.wallets w where w.id = $1"  # noqa: S608 - the same


async def of_owner(connection: Connection, owner_id: UUID) -> list[Wallet]:
    """Return the wallets of an owner that the session may see."""
    return [Wallet(**row) for row in await connection.fetch(OF_OWNER, owner_id)]


async def get(connection: Connection, wallet_id: UUID) -> Wallet | None:
    row = await connection.fetchrow(GET, wallet_id)
    return Wallet(**row) if row else None


ORGANIZATION = "select currency from orders.organizations where id = $1"


async def organization_currency(connection: Connection, organization_id: UUID) -> str | None:
    """Return the currency of an organization's wallet; None if there is no such organization."""
    found: str | None = await connection.fetchval(ORGANIZATION, organization_id)
    return found


ENTRIES = """
select e.id, e.n, e.kind, e.available, e.available_after, p.order_id, e.at
from orders.wallet_entries e left join orders.payments p on p.id = e.payment_id
where e.wallet_id = $1 and ($2::bigint is null or e.n < $2)
order by e.n desc limit $3
"""


async def list_entries(
    connection: Connection, wallet_id: UUID, before: int | None, limit: int
) -> list[WalletEntry]:
    """Return changes of a wallet, the newest first. For the system: sessions can't read payments."""
    return [WalletEntry(**row) for row in await connection.fetch(ENTRIES, wallet_id, before, limit)]

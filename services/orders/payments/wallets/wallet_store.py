"""SQL of wallets: each change is one conditional statement that also records its entry; nothing commits."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection

# A wallet that exists is updated to itself, so that its id is returned.
GET = """
insert into orders.wallets as w (owner_id, currency) values ($1, $2)
on conflict (owner_id, currency) where owner_id <> '00000000-0000-0000-0000-000000000000'
do update set owner_id = w.owner_id
returning w.id
"""


LOCK = "select from orders.wallets where owner_id = $1 and currency = $2 for no key update"


async def get_or_create(connection: Connection, owner_id: UUID, currency: str) -> UUID:
    """Return the wallet of an owner in a currency, locked until the transaction ends."""
    if owner_id.int == 0:
        raise ValueError("an erased customer has no wallet")
    return UUID(str(await connection.fetchval(GET, owner_id, currency)))


@dataclass(frozen=True, slots=True)
class Held:
    """An amount of a wallet that a payment holds or held, or that a dispute takes or gives back."""

    wallet_id: UUID
    amount: Decimal


async def lock(connection: Connection, owner_id: UUID, currency: str) -> None:
    """Lock the wallet of an owner in a currency, if there is one."""
    await connection.execute(LOCK, owner_id, currency)


HOLD = """
with changed as (
    update orders.wallets w
    set available = w.available - $3, held = w.held + $3, updated_at = now()
    where w.owner_id = $1 and w.currency = $2 and w.available >= $3
    returning w.id, w.available
),
entry as (
    insert into orders.wallet_entries
        (wallet_id, kind, available, held, available_after, payment_id, actor)
    select id, 'HOLD', -$3, $3, available, $4, $5 from changed
)
select id from changed
"""


async def hold(
    connection: Connection,
    owner_id: UUID,
    currency: str,
    amount: Decimal,
    payment_id: UUID,
    actor: str,
) -> UUID | None:
    """Reserve an amount for a payment; return the wallet, or None if it has less, or doesn't exist.

    The row of the payment exists already, in the same transaction.
    """
    found = await connection.fetchval(HOLD, owner_id, currency, amount, payment_id, actor)
    return UUID(str(found)) if found else None


AVAILABLE = "select available from orders.wallets where owner_id = $1 and currency = $2"


async def available(connection: Connection, owner_id: UUID, currency: str) -> Decimal:
    """Return what an owner can spend; it may be less by the time of a hold."""
    return Decimal(await connection.fetchval(AVAILABLE, owner_id, currency) or 0)


# `{0}` is RELEASE or DEBIT. A hold ends once: a second end changes nothing.
END = """
with hold as (
    select e.wallet_id, e.held as amount from orders.wallet_entries e
    where e.payment_id = $1 and e.kind = 'HOLD'
),
changed as (
    update orders.wallets w
    set held = w.held - hold.amount, available = w.available + {1}, updated_at = now()
    from hold
    where w.id = hold.wallet_id and not exists (
        select from orders.wallet_entries e
        where e.payment_id = $1 and e.kind in ('RELEASE', 'DEBIT') and e.refund_id is null
    )
    returning w.id, w.available, hold.amount
),
entry as (
    insert into orders.wallet_entries
        (wallet_id, kind, available, held, available_after, payment_id, actor)
    select id, '{0}', {2}, -amount, available, $1, $2 from changed
)
select wallet_id, amount from hold
"""
RELEASE = END.format("RELEASE", "hold.amount", "amount")
DEBIT = END.format("DEBIT", "0", "0")


async def release(connection: Connection, payment_id: UUID, actor: str) -> Held | None:
    """End the hold of a payment and make its amount available again; return the hold, None without one.

    The caller has locked the payment. Repeats change nothing.
    """
    row = await connection.fetchrow(RELEASE, payment_id, actor)
    return Held(row["wallet_id"], row["amount"]) if row else None


async def debit(connection: Connection, payment_id: UUID, actor: str) -> Held | None:
    """Take what is held for a payment; return the hold, None without one.

    The caller has locked the payment, and posts the act. Repeats change nothing.
    """
    row = await connection.fetchrow(DEBIT, payment_id, actor)
    return Held(row["wallet_id"], row["amount"]) if row else None


CREDIT = """
with changed as (
    update orders.wallets w set available = w.available + $2, updated_at = now()
    where w.id = $1 and w.available + $2 >= 0
    returning w.id, w.available
),
entry as (
    insert into orders.wallet_entries
        (wallet_id, kind, available, held, available_after, payment_id, refund_id, note, actor, dispute_id)
    select id, $3, $2, 0, available, $4, $5, $6, $7, $8 from changed
)
select available from changed
"""


async def top_up(
    connection: Connection, wallet_id: UUID, amount: Decimal, payment_id: UUID, actor: str
) -> None:
    """Add a paid top-up; a unique index refuses a second one for the same payment."""
    await _credit(connection, wallet_id, amount, "TOP_UP", payment_id, None, "", actor)


async def refund(
    connection: Connection,
    wallet_id: UUID,
    amount: Decimal,
    payment_id: UUID,
    refund_id: UUID,
    actor: str,
) -> None:
    """Add a refund; a unique index refuses a second entry for it."""
    await _credit(connection, wallet_id, amount, "REFUND", payment_id, refund_id, "", actor)


async def correct(
    connection: Connection, wallet_id: UUID, amount: Decimal, note: str, actor: str
) -> bool:
    """Add an amount, which may be negative; False if less than that is available."""
    changed = await _credit(connection, wallet_id, amount, "CORRECTION", None, None, note, actor)
    return changed is not None


OF_TOP_UP = """
select id from orders.wallets
where id = (select wallet_id from orders.wallet_entries where payment_id = $1 and kind = 'TOP_UP')
for update
"""
# Without what was paid in since the dispute was posted: if the wallet had nothing then, a later read of the
# dispute takes nothing either.
LEFT_OF_TOP_UP = """
select greatest(w.available - coalesce((
    select sum(e.available) from orders.wallet_entries e
    where e.wallet_id = w.id and e.kind in ('TOP_UP', 'CORRECTION') and e.available > 0
        and e.payment_id is distinct from $2
        and e.at > (select t.at from orders.ledger_transactions t where t.key = 'dispute:' || $3)
), 0), 0)
from orders.wallets w where w.id = $1
"""
OF_DISPUTE = """
select wallet_id, kind, abs(available) as amount from orders.wallet_entries where dispute_id = $1
"""


async def take_back(
    connection: Connection, payment_id: UUID, dispute_id: str, amount: Decimal, actor: str
) -> Held | None:
    """Take what the wallet still has of a disputed top-up; return it, None if that is nothing.

    The caller has locked the payment, and posts the act. Repeats change nothing.
    """
    if await connection.fetch(OF_DISPUTE, dispute_id):
        return None
    wallet_id = await connection.fetchval(OF_TOP_UP, payment_id)
    if wallet_id is None:
        return None
    left = await connection.fetchval(LEFT_OF_TOP_UP, wallet_id, payment_id, dispute_id)
    if not left:
        return None
    taken = Held(wallet_id, min(amount, left))
    await _credit(
        connection, taken.wallet_id, -taken.amount, "DISPUTE", None, None, "", actor, dispute_id
    )
    return taken


async def give_back(connection: Connection, dispute_id: str, actor: str) -> Held | None:
    """Give back what was taken because of a dispute; return it, None if nothing was.

    The caller has locked the payment, and posts the act. Repeats change nothing.
    """
    entries = await connection.fetch(OF_DISPUTE, dispute_id)
    if [entry["kind"] for entry in entries] != ["DISPUTE"]:
        return None
    taken = Held(entries[0]["wallet_id"], entries[0]["amount"])
    await _credit(
        connection,
        taken.wallet_id,
        taken.amount,
        "DISPUTE_RETURN",
        None,
        None,
        "",
        actor,
        dispute_id,
    )
    return taken


async def _credit(
    connection: Connection,
    wallet_id: UUID,
    amount: Decimal,
    kind: str,
    payment_id: UUID | None,
    refund_id: UUID | None,
    note: str,
    actor: str,
    dispute_id: str | None = None,
) -> Decimal | None:
    found = await connection.fetchval(
        CREDIT, wallet_id, amount, kind, payment_id, refund_id, note, actor, dispute_id
    )
    return None if found is None else Decimal(found)

"""The records after a run: of the payment provider, the eSIM provider, and our tables."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.chaos.purchase.machine import Machine

ORDERS = """
select o.id::text as id, o.idempotency_key as key, o.status, o.recovery_point as point,
    o.provider_reference as reference, o.total_price as total, o.currency, o.quantity,
    o.failure_reason as failure,
    array(select e.iccid from esims.esims e where e.order_id = o.id) as registered,
    (select max(e.registered_at) from orders.order_esims e where e.order_id = o.id) as registered_at,
    (select min(a.started_at) from orders.order_attempts a where a.order_id = o.id) as attempted_at,
    p.id::text as payment, p.method, p.state, p.amount, p.wallet_amount, p.captured, p.refunded,
    p.intent_id as intent, p.authorized_at
from orders.esim_orders o left join orders.payments p on p.order_id = o.id order by o.created_at
"""
REFUNDS = """
select r.id::text as id, r.payment_id::text as payment, r.amount, r.currency, r.destination, r.state,
    r.created_at
from orders.refunds r
"""
TOP_UPS = """
select p.id::text as id, p.state, p.amount, p.captured,
    (select coalesce(sum(e.available), 0) from orders.wallet_entries e
     where e.payment_id = p.id and e.kind = 'TOP_UP') as credited
from orders.payments p where p.order_id is null
"""
# What a wallet's entries add up to, and its account in the ledger, where customers' money is a credit.
WALLETS = """
select w.id::text as id, w.currency, w.available, w.held,
    coalesce(e.available, 0) as entries_available, coalesce(e.held, 0) as entries_held,
    coalesce((select -sum(l.amount) from orders.ledger_entries l
              where l.account = 'wallet:' || w.id and l.currency = w.currency), 0) as ledger
from orders.wallets w
left join lateral (
    select sum(e.available) as available, sum(e.held) as held
    from orders.wallet_entries e where e.wallet_id = w.id
) e on true
"""
UNBALANCED = """
select e.transaction_id::text as id from orders.ledger_entries e
group by e.transaction_id, e.currency having sum(e.amount) <> 0
"""
CLEARING = """
select currency, sum(amount) as balance from orders.ledger_entries
where account = 'clearing:stripe' group by currency
"""
FEES = """
select currency, sum(amount) as balance from orders.ledger_entries
where account = 'fees' group by currency
"""
# Work that a loop still has to do. Settled refunds, which are polled again days later, don't count.
UNFINISHED = """
select
    (select count(*) from orders.esim_orders o
     where o.status = 'PROCESSING' or (o.status = 'COMPLETED' and o.cancel_requested_at is not null))
    + (select count(*) from orders.payments p where p.state in ('AUTHORIZED', 'PAID')
        or (p.state = 'AWAITING' and p.order_id is not null))
    + (select count(*) from orders.payments p
       where p.state = 'AWAITING' and p.order_id is null and p.expires_at > now())
    + (select count(*) from orders.refunds r where r.state in ('PLANNED', 'STARTED', 'PENDING'))
    + (select count(*) from orders.unposted_orders)
"""


@dataclass(frozen=True, slots=True)
class RecordedOrder:
    """An order in our tables, with its payment."""

    id: str
    key: str | None
    status: str
    point: str
    reference: str | None
    total: Decimal
    currency: str
    quantity: int
    failure: str
    registered: tuple[str, ...]
    registered_at: datetime | None
    attempted_at: datetime | None
    payment: str | None
    method: str | None
    state: str | None
    amount: Decimal | None
    wallet_amount: Decimal | None
    captured: Decimal | None
    refunded: Decimal | None
    intent: str | None
    authorized_at: datetime | None

    @property
    def outcome(self) -> str:
        """Return the status with its details, for a table."""
        return f"{self.status}, {self.method or 'no payment'}{f', {self.failure}' if self.failure else ''}"

    @property
    def from_card(self) -> Decimal:
        """What the card has to pay."""
        return (self.amount or Decimal()) - (self.wallet_amount or Decimal())


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund in our tables."""

    id: str
    payment: str
    amount: Decimal
    currency: str
    destination: str
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TopUp:
    """A top-up in our tables, and what it added to the wallet."""

    id: str
    state: str
    amount: Decimal
    captured: Decimal
    credited: Decimal


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet, the sums of its entries, and its balance in the ledger."""

    id: str
    currency: str
    available: Decimal
    held: Decimal
    entries_available: Decimal
    entries_held: Decimal
    ledger: Decimal


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent at the payment provider, with captured and refunded amounts. Its times are full seconds."""

    id: str
    payment: str
    order: str
    status: str
    currency: str
    amount: Decimal
    held: Decimal
    received: Decimal
    refunded: Decimal
    captures: int
    captured_at: datetime | None
    authorized_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund at the payment provider; `ours` is its id in our tables."""

    id: str
    ours: str
    intent: str
    amount: Decimal
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that the audit compares."""

    orders: tuple[RecordedOrder, ...]
    refunds: tuple[Refund, ...]
    top_ups: tuple[TopUp, ...]
    wallets: tuple[Wallet, ...]
    intents: tuple[Intent, ...]
    provider_refunds: tuple[ProviderRefund, ...]
    unbalanced: tuple[str, ...]
    clearing: dict[str, Decimal]
    fees: dict[str, Decimal]
    provider_totals: dict[str, dict[str, Decimal]]


async def read(machine: Machine) -> Books:
    """Read all records."""
    async with machine.database() as connection:
        orders = await connection.fetch(ORDERS)
        refunds = await connection.fetch(REFUNDS)
        top_ups = await connection.fetch(TOP_UPS)
        wallets = await connection.fetch(WALLETS)
        unbalanced = await connection.fetch(UNBALANCED)
        clearing = await connection.fetch(CLEARING)
        fees = await connection.fetch(FEES)
    snapshot = await machine.payments("GET", "/snapshot")
    return Books(
        tuple(RecordedOrder(**{**row, "registered": tuple(row["registered"])}) for row in orders),
        tuple(Refund(**row) for row in refunds),
        tuple(TopUp(**row) for row in top_ups),
        tuple(Wallet(**row) for row in wallets),
        _intents(snapshot),
        tuple(
            ProviderRefund(
                id=one["id"],
                ours=one["metadata"].get("refund_id", ""),
                intent=one["payment_intent"],
                amount=_major(one["amount"]),
                status=one["status"],
                created_at=_time(one["created"]),
            )
            for one in snapshot["refunds"]
        ),
        tuple(row["id"] for row in unbalanced),
        {row["currency"]: row["balance"] for row in clearing},
        {row["currency"]: row["balance"] for row in fees},
        {
            currency.upper(): {name: _major(value) for name, value in sums.items()}
            for currency, sums in snapshot["totals"].items()
        },
    )


def _intents(snapshot: Any) -> tuple[Intent, ...]:
    charges: defaultdict[str, list[Any]] = defaultdict(list)
    for charge in snapshot["charges"]:
        if charge["status"] == "succeeded":
            charges[charge["payment_intent"]].append(charge)
    booked = {one["id"]: one["created"] for one in snapshot["balance_transactions"]}
    intents = []
    for one in snapshot["payment_intents"]:
        own = charges[one["id"]]
        captured = [c for c in own if c["captured"]]
        times = [booked[c["balance_transaction"]] for c in captured if c["balance_transaction"]]
        intents.append(
            Intent(
                id=one["id"],
                payment=one["metadata"].get("payment_id", ""),
                order=one["metadata"].get("order_id", ""),
                status=one["status"],
                currency=one["currency"].upper(),
                amount=_major(one["amount"]),
                held=_major(one["amount_capturable"]),
                received=_major(one["amount_received"]),
                refunded=_major(sum(c["amount_refunded"] for c in own)),
                captures=len(captured),
                captured_at=_time(min(times)) if times else None,
                authorized_at=_time(min(c["created"] for c in own)) if own else None,
            )
        )
    return tuple(intents)


async def unfinished(machine: Machine) -> int:
    """Return how many orders, payments and refunds are in progress."""
    async with machine.database() as connection:
        count: int = await connection.fetchval(UNFINISHED)
    return count


def _major(amount: Any) -> Decimal:
    """Convert cents to dollars, the only currency of a run."""
    return Decimal(amount) / 100


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)

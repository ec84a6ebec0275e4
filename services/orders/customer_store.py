"""SQL to export and erase the data of one customer."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.values import money
from services.orders.organizations import person_store
from services.orders.payments.refunds import refund_store

logger = logging.getLogger(__name__)

# The owner of erased customers' rows; no session has this id.
ERASED_CUSTOMER = UUID(int=0)
# Open orders that the refusal of an erasure names.
MAX_NAMED = 20

# Whole rows, so that a column that is added later is exported too. Costs are left out, because what
# the shop paid is not the customer's data; for orders from a price list so are the details for operators,
# which may name the cost. The secrets of eSIMs that were bought for an organization are the organization's.
TABLES = {
    "esim_orders": """
        select to_jsonb(o) - array['lease_owner', 'leased_until', 'trace_parent'] - array[
                'expected_cost', 'charged_cost', 'cost_currency', 'charged_currency', 'cost_above',
                'max_unit_cost', 'rule_version', 'exchange_rate', 'exchange_rate_at'
            ] - case when o.price_list is not null then 'operator_detail' else '' end
        from orders.esim_orders o where o.customer_id = $1 order by o.created_at, o.id
    """,
    "coupon_redemptions": """
        select to_jsonb(r) || jsonb_build_object('code', c.code)
        from orders.coupon_redemptions r join orders.coupons c on c.id = r.coupon_id
        where r.customer_id = $1 order by r.created_at, r.order_id
    """,
    "order_esims": """
        select to_jsonb(e) - case when e.organization_id is not null
            then array['matching_id', 'smdp_address'] else array[]::text[] end
        from orders.order_esims e
        where e.customer_id = $1 order by e.created_at, e.order_id, e.position
    """,
    "order_revocations": """
        select to_jsonb(r) from orders.order_revocations r
        where r.customer_id = $1 order by r.created_at, r.assignment_id
    """,
    # Without what helps to recognize fraud, and what the staff wrote.
    "payments": """
        select to_jsonb(p) - array['run', 'held_reason', 'reviewed_by', 'detail']
        from orders.payments p where p.customer_id = $1 order by p.created_at, p.id
    """,
    "refunds": """
        select to_jsonb(r) - array['run', 'note', 'requested_by']
        from orders.refunds r where r.customer_id = $1 order by r.created_at, r.id
    """,
    "disputes": """
        select to_jsonb(d) from orders.disputes d join orders.payments p on p.id = d.payment_id
        where p.customer_id = $1 order by d.created_at, d.id
    """,
    "payment_customers": """
        select to_jsonb(c) from orders.payment_customers c where c.customer_id = $1
    """,
    "wallets": "select to_jsonb(w) from orders.wallets w where w.owner_id = $1 order by w.currency",
    "wallet_entries": """
        select to_jsonb(e) - array['note', 'actor']
        from orders.wallet_entries e join orders.wallets w on w.id = e.wallet_id
        where w.owner_id = $1 order by e.n
    """,
    # What they bought on account, as the statements of their organization have it.
    "statement_lines": """
        select to_jsonb(l) from orders.statement_lines l
        where l.customer_id = $1 order by l.at, l.ledger_transaction_id
    """,
    # Without what the customer did to others' orders as an operator, what the staff wrote, such as why an
    # order was held, and the ids of other people who acted.
    "order_events": """
        select to_jsonb(e) - case
            when length(e.actor) = 36 and e.actor <> $1::uuid::text then array['note', 'actor']
            else array['note'] end
        from orders.order_events e
        join orders.esim_orders o on o.id = e.order_id
        where o.customer_id = $1 order by e.id
    """,
    **person_store.EXPORT,
}
OPEN = """
select id from orders.esim_orders
where customer_id = $1 and (status in ('PROCESSING', 'NEEDS_REVIEW') or next_run_at is not null)
order by created_at, id
"""
# Money of the customer that is on its way: it could not reach them any more. What a dispute of a top-up has
# taken from their wallet may return.
MOVING = """
select id from orders.payments
where customer_id = $1 and state in ('AWAITING', 'AUTHORIZED', 'PAID')
union all
select id from orders.refunds
where customer_id = $1 and state in ('PLANNED', 'STARTED', 'PENDING')
union all
select p.id from orders.payments p join orders.disputes d on d.payment_id = p.id
where p.customer_id = $1 and p.order_id is null and d.withdrawn and d.closed_at is null
order by 1
"""
BALANCES = """
select available + held as balance, currency from orders.wallets
where owner_id = $1 and available + held > 0 order by currency
"""
LOCK_WALLETS = "select id from orders.wallets where owner_id = $1 order by id for update"
LOCK = "select id from orders.esim_orders where customer_id = $1 order by id for update"
# Those of organizations stay.
ICCIDS = """
select distinct iccid from orders.order_esims
where order_id = any($1::uuid[]) and organization_id is null order by 1
"""
# Parameters: the ids of the orders, their new owner, and their former owner.
ERASE = (
    # Those of organizations have the id of the organization, whose limits they count for.
    """
    update orders.coupon_redemptions set customer_id = $2
    where order_id = any($1::uuid[]) and customer_id = $3::text::uuid
    """,
    """
    update orders.order_esims
    set customer_id = $2, matching_id = case when organization_id is null then '' else matching_id end,
        smdp_address = case when organization_id is null then '' else smdp_address end
    where order_id = any($1::uuid[])
    """,
    """
    update orders.order_revocations set customer_id = $2, provider_text = ''
    where order_id = any($1::uuid[])
    """,
    # Statements keep the amounts, which their organization owes.
    """
    update orders.statement_lines set customer_id = $2, description = '', reference = '', group_name = ''
    where order_id = any($1::uuid[])
    """,
    # The ids of operators stay, but not their notes, which may be about the person.
    """
    update orders.order_events
    set actor = case when actor = $3 then 'erased' else actor end, note = ''
    where order_id = any($1::uuid[]) and (actor = $3 or note <> '') and $2::uuid is not null
    """,
    """
    update orders.esim_orders
    set customer_id = $2, idempotency_key = null, operator_detail = '', trace_parent = null,
        updated_at = now(),
        customer_reference = case when organization_id is null then '' else customer_reference end
    where id = any($1::uuid[])
    """,
)
# Parameters: the customer, and the new owner of the rows.
ERASE_MONEY = (
    """
    update orders.payments
    set customer_id = $2, client_address = '', email_domain = '', account_created_at = null,
        card_fingerprint = '', card_last4 = '', return_url = '', top_up_key = null,
        reference = case when reference <> '' then 'erased' else '' end
    where customer_id = $1
    """,
    "update orders.refunds set customer_id = $2, note = '' where customer_id = $1",
    # Notes of corrections may be about the person. Their wallets are found by their owner, who goes last.
    """
    update orders.ledger_transactions t set note = ''
    from orders.wallets w
    join orders.ledger_entries e on e.account = 'wallet:' || w.id and e.currency = w.currency
    where w.owner_id = $1 and t.id = e.transaction_id and t.note <> '' and $2::uuid is not null
    """,
    """
    update orders.wallet_entries e set note = ''
    from orders.wallets w
    where w.owner_id = $1 and e.wallet_id = w.id and e.note <> '' and $2::uuid is not null
    """,
    "update orders.wallets set owner_id = $2 where owner_id = $1",
    "delete from orders.payment_customers where customer_id = $1 and $2::uuid is not null",
)
# Steps that the person took as an operator on others' orders; the index needs the condition on the length.
ERASE_ACTOR = """
update orders.order_events set actor = 'erased' where actor = $1 and length(actor) = 36
"""


async def export(database: Database, customer_id: UUID) -> list[tuple[str, str]]:
    """Return every row of the customer's, as the table's name and a JSON object."""
    async with database.system() as connection:
        return [
            (table, row["row"])
            for table, query in TABLES.items()
            for row in await connection.fetch(
                f"select x::text as row from ({query}) as t(x)",  # noqa: S608 - constants only
                customer_id,
            )
        ]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure changed: how many orders, and the ICCIDs of their eSIMs."""

    orders: int
    iccids: list[str]


async def check(database: Database, customer_id: UUID) -> None:
    """Raise the Failure with which `erase` would refuse, if it would."""
    async with database.system() as connection:
        await _check(connection, customer_id)


async def erase(database: Database, customer_id: UUID) -> Erased:
    """Erase the customer's data from all their orders, which stay for the books, in one transaction.

    Their memberships of organizations must have ended. Raises Failure REFUSED and changes nothing:
    ORDERS_OPEN, BATCHES_OPEN or PAYMENTS_OPEN, which name what is open, or WALLET_NOT_EMPTY.
    """
    async with database.system() as connection:
        owned = [row["id"] for row in await connection.fetch(LOCK, customer_id)]
        await _check(connection, customer_id)
        iccids = [row["iccid"] for row in await connection.fetch(ICCIDS, owned)]
        for statement in ERASE:
            if "$3" in statement:
                await connection.execute(statement, owned, ERASED_CUSTOMER, str(customer_id))
            else:
                await connection.execute(statement, owned, ERASED_CUSTOMER)
        for statement in ERASE_MONEY:
            await connection.execute(statement, customer_id, ERASED_CUSTOMER)
        await connection.execute(ERASE_ACTOR, str(customer_id))
        await person_store.erase(connection, customer_id, ERASED_CUSTOMER)
    logger.info(
        "customer %s: personal data of %s orders erased", fingerprint(customer_id), len(owned)
    )
    return Erased(len(owned), iccids)


async def _check(connection: Connection, customer_id: UUID) -> None:
    if waiting := [str(row["id"]) for row in await connection.fetch(OPEN, customer_id)]:
        raise _open(waiting)
    if running := await person_store.running_batches(connection, customer_id):
        named = ", ".join(map(str, running[:MAX_NAMED]))
        raise Failure(
            Kind.REFUSED,
            "BATCHES_OPEN",
            f"nothing was erased: batches of the customer are not finished ({named}). Wait until they end, or"
            " cancel them, and erase again",
        )
    await _check_money(connection, customer_id)


async def _check_money(connection: Connection, customer_id: UUID) -> None:
    """Raise Failure REFUSED (PAYMENTS_OPEN, WALLET_NOT_EMPTY) while the shop has money of the customer."""
    if moving := [str(row["id"]) for row in await connection.fetch(MOVING, customer_id)]:
        raise Failure(
            Kind.REFUSED,
            "PAYMENTS_OPEN",
            "nothing was erased: payments, refunds or disputes of top-ups are not settled (ids"
            f" {', '.join(moving[:MAX_NAMED])}). Wait until they are, and erase again",
        )
    if owed := await refund_store.owed(connection, customer_id):
        raise Failure(
            Kind.REFUSED,
            "PAYMENTS_OPEN",
            "nothing was erased: refunds of the customer failed, and were not made in another way since"
            f" (payments {', '.join(map(str, owed[:MAX_NAMED]))}). Refund their orders in another way"
            " (`esimgo payments refund`), and erase again",
        )
    await connection.fetch(LOCK_WALLETS, customer_id)
    balances = await connection.fetch(BALANCES, customer_id)
    if balances:
        held = ", ".join(f"{money.plain(row['balance'])} {row['currency']}" for row in balances)
        raise Failure(
            Kind.REFUSED,
            "WALLET_NOT_EMPTY",
            f"nothing was erased: the customer's wallet has {held}. Pay it back, record that with a"
            " correction (`esimgo wallets correct`), and erase again",
        )


def _open(orders: Sequence[str]) -> Failure:
    named = ", ".join(orders[:MAX_NAMED])
    if len(orders) > MAX_NAMED:
        named += f" and {len(orders) - MAX_NAMED} more"
    return Failure(
        Kind.REFUSED,
        "ORDERS_OPEN",
        f"nothing was erased: orders are being processed ({named}). Wait until they end,"
        " or settle them (`esimgo orders show ID`), and erase again",
    )


def fingerprint(customer_id: UUID) -> str:
    """Return a hash of the id, which proves the erasure without naming the customer."""
    return hashlib.sha256(str(customer_id).encode()).hexdigest()[:16]

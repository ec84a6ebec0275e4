"""Records payments of statements and issues credit notes, each once, together with the ledger."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind, invalid
from kit.values import currencies, money
from services.orders.books import statement_postings as postings
from services.orders.books import store as books
from services.orders.payments.refunds import billed
from services.orders.statements import settle_store, store
from services.orders.statements.carry import carry
from services.orders.statements.statement import Settlement, SettlementKind, Statement

FIRST_ZONE = timezone(timedelta(hours=14))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the finance staff records for a statement; `paid_on` is None for a credit note."""

    statement_id: UUID
    amount: Decimal
    currency: str
    note: str
    key: str
    paid_on: date | None = None

    @property
    def kind(self) -> SettlementKind:
        return SettlementKind.CREDIT_NOTE if self.paid_on is None else SettlementKind.PAYMENT


class Settling:
    """Settles statements."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(self, wanted: Wanted, actor: str) -> Statement:
        """Record a payment or a credit note; return the statement afterwards.

        Raises Failure NOT_FOUND (STATEMENT_NOT_FOUND), CONFLICT (IDEMPOTENCY_CONFLICT), REFUSED:
        STATEMENT_PAID, AMOUNT_ABOVE_DUE, CREDIT_ABOVE_TOTAL, and INVALID for another currency or a day in the
        future.
        """
        async with self._database.system() as connection:
            statement = await settle_store.lock(connection, wanted.statement_id)
            if statement is None:
                raise not_found()
            earlier = await settle_store.by_key(connection, statement.id, wanted.key)
            if earlier is not None:
                _check_same(wanted, statement, earlier)
                return statement
            _check(wanted, statement, self._database.now())
            if wanted.kind is SettlementKind.PAYMENT:
                await _pay(connection, statement, wanted, actor)
            else:
                await _credit(connection, statement, wanted, actor)
            return await store.get(connection, statement.id) or statement


async def _pay(connection: Connection, statement: Statement, wanted: Wanted, actor: str) -> None:
    left, currency = statement.left, statement.currency
    if left <= 0:
        raise Failure(
            Kind.REFUSED,
            "STATEMENT_PAID",
            f"Nothing is left to pay of {statement.number}; record the payment for another statement",
        )
    if wanted.amount > left:
        raise Failure(
            Kind.REFUSED,
            "AMOUNT_ABOVE_DUE",
            f"Only {money.plain(left):f} {currency} are left to pay of {statement.number}: record at most"
            " that, and the rest for another statement",
            details={"left": f"{money.plain(left):f}", "currency": currency},
        )
    settled = await _record(connection, statement, wanted, actor)
    await books.post(
        connection,
        postings.statement_paid(settled, statement.organization_id, wanted.amount, currency),
        actor=actor,
    )


async def _credit(connection: Connection, statement: Statement, wanted: Wanted, actor: str) -> None:
    found = await billed.of_statement(connection, statement.id)
    before = found.credited
    # Refunds are lines of the statement of their month, so the total alone doesn't include all of them.
    possible = max(min(statement.total - before, found.left), Decimal(0))
    if wanted.amount > possible:
        raise Failure(
            Kind.REFUSED,
            "CREDIT_ABOVE_TOTAL",
            f"At most {money.plain(possible):f} {statement.currency} of {statement.number} can still be"
            " credited: the rest was credited or refunded, or a cancellation that is under way refunds it",
            details={"left": f"{money.plain(possible):f}", "currency": statement.currency},
        )
    # If all of the rest is credited, exactly the tax in it is given back.
    left = await billed.taxes(connection, statement.id)
    taxes = {
        country: currencies.rounded(tax * wanted.amount / found.rest, statement.currency)
        for country, tax in left.items()
    }
    settled = await _record(connection, statement, wanted, actor)
    await books.post(
        connection,
        postings.credit_note(
            settled, statement.organization_id, wanted.amount, taxes, statement.currency
        ),
        actor=actor,
    )
    await carry(connection, statement.id, actor)


async def _record(connection: Connection, statement: Statement, wanted: Wanted, actor: str) -> UUID:
    return await settle_store.record(
        connection,
        statement.id,
        wanted.kind,
        wanted.amount,
        actor,
        key=wanted.key,
        paid_on=wanted.paid_on,
        note=wanted.note,
    )


def _check(wanted: Wanted, statement: Statement, now: datetime) -> None:
    problems = {}
    if wanted.currency != statement.currency:
        problems["amount"] = f"must be in {statement.currency}, as the statement"
    # The bank may be where a day begins first, wherever the organization is.
    today = now.astimezone(FIRST_ZONE).date()
    if wanted.paid_on is not None and wanted.paid_on > today:
        problems["paid_on"] = f"must not be in the future; today is {today}"
    if problems:
        raise invalid(problems)


def _check_same(wanted: Wanted, statement: Statement, earlier: Settlement) -> None:
    same = (earlier.kind, earlier.amount, earlier.paid_on, earlier.note, statement.currency) == (
        wanted.kind,
        wanted.amount,
        wanted.paid_on,
        wanted.note,
        wanted.currency,
    )
    if not same:
        raise Failure(
            Kind.CONFLICT,
            "IDEMPOTENCY_CONFLICT",
            f"This idempotency key was used for something else on {statement.number}; use a new key",
        )


def not_found() -> Failure:
    """Return the failure for a statement that is unknown, or of another organization."""
    return Failure(
        Kind.NOT_FOUND,
        "STATEMENT_NOT_FOUND",
        "No statement of your organizations has this id; list the statements",
    )

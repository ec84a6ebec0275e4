"""For whom a batch is bought, and how its orders are paid."""

from dataclasses import dataclass
from uuid import UUID

from kit.auth.sessions import Role, Session
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.orders.batches.batch import Batch, BatchRequest, Problem
from services.orders.organizations import membership as memberships
from services.orders.organizations import purchasing
from services.orders.organizations.membership import Billing, Membership
from services.orders.payment import Choice, PaymentMethod
from services.orders.payments.opening.opening import Openings
from services.orders.payments.opening.payers import Payer

# Orders of a batch are paid without their buyer: from a wallet, or on account.
FROM_WALLET = Choice(PaymentMethod.WALLET)
NOT_PAYABLE = Problem("", purchasing.NOT_PAYABLE, purchasing.MESSAGE_NOT_PAYABLE)


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys a batch: a customer, for their organization if there is one; `paid` if it is paid here."""

    customer_id: UUID
    member: Membership | None
    currency: str  # empty: that of the first price list
    paid: bool

    @property
    def payable(self) -> bool:
        """False if each order needs the holder of a card."""
        return self.member is None or self.member.billing is not Billing.CARD

    def require_payable(self) -> None:
        """Raise Failure REFUSED (BATCH_NOT_PAYABLE)."""
        if not self.payable:
            raise Failure(Kind.REFUSED, NOT_PAYABLE.code, NOT_PAYABLE.message)


class Buyers:
    """Finds out for whom a batch is bought."""

    def __init__(self, database: Database, openings: Openings) -> None:
        self._database = database
        self._openings = openings

    async def of(self, session: Session, customer_id: UUID, request: BatchRequest) -> Buyer:
        """Return who buys; raises Failure as `purchasing` does, and REFUSED with PAYMENT_... reasons."""
        member = None
        if request.organization_id is not None:
            async with self._database.system() as connection:
                member = await memberships.find(connection, request.organization_id, customer_id)
                await purchasing.check(connection, member, request.group_id)
        return self._buyer(session, customer_id, request, member)

    async def of_batch(self, session: Session, customer_id: UUID, request: BatchRequest) -> Buyer:
        """Return who buys a batch that exists: its organization, even if its creator was removed."""
        member = None
        if request.organization_id is not None:
            async with self._database.system() as connection:
                member = await memberships.of_batch(
                    connection, request.organization_id, customer_id
                )
                await purchasing.check(connection, member, request.group_id)
        return self._buyer(session, customer_id, request, member)

    async def check_caller(self, connection: Connection, session: Session, batch: Batch) -> None:
        """Raise Failure unless the caller may buy for the organization and the group of a batch now."""
        if batch.organization_id is None or session.role is not Role.CUSTOMER:
            return
        caller = session.user_id or batch.customer_id
        member = await memberships.find(connection, batch.organization_id, caller, lock=True)
        await purchasing.check(connection, member, batch.group_id)

    async def locked(
        self, connection: Connection, buyer: Buyer, request: BatchRequest
    ) -> Membership | None:
        """Return the membership again, which can't end until the transaction does; it may buy now."""
        if request.organization_id is None:
            return None
        member = await memberships.find(
            connection, request.organization_id, buyer.customer_id, lock=True
        )
        await purchasing.check(connection, member, request.group_id)
        return member

    def _buyer(
        self, session: Session, customer_id: UUID, request: BatchRequest, member: Membership | None
    ) -> Buyer:
        currency = request.currency
        if member is not None:
            if currency not in ("", member.currency):
                raise Failure(
                    Kind.REFUSED,
                    "ORGANIZATION_CURRENCY",
                    f"This organization buys in {member.currency}: leave the currency out",
                    details={"currency": member.currency},
                )
            currency = member.currency
            if member.billing is Billing.CARD:
                return Buyer(customer_id, member, currency, paid=False)
        choice = FROM_WALLET if member is None else None
        paid = self._openings.check(Payer(session, customer_id, member), choice) is not None
        return Buyer(customer_id, member, currency, paid=paid)

"""Who pays for a new order, and what is known of them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Connection
from kit.errors import Failure, Kind
from kit.values import timestamps
from services.orders.organizations.membership import Billing, Membership
from services.orders.payment import Choice, PaymentMethod
from services.orders.payments.guards import ACCOUNT

# Characters of a domain name.
MAX_DOMAIN = 253
METHODS = {
    Billing.PREPAID: PaymentMethod.WALLET,
    Billing.INVOICE: PaymentMethod.INVOICE,
    Billing.CARD: PaymentMethod.CARD,
}


@dataclass(frozen=True, slots=True)
class Payer:
    """Who buys: a customer, for their organization if there is one.

    `elsewhere` if a service buys for the customer, and charges them.
    """

    session: Session
    customer_id: UUID
    organization: Membership | None = None
    elsewhere: bool = False

    @property
    def wallet_owner(self) -> UUID:
        """Whose wallet pays."""
        return self.organization.organization_id if self.organization else self.customer_id


def by_billing(billing: Billing, choice: Choice | None) -> Choice | None:
    """Return how an organization pays; raises Failure REFUSED (PAYMENT_METHOD_NOT_OFFERED)."""
    method = METHODS[billing]
    if choice is not None and choice.method is not method:
        raise Failure(
            Kind.REFUSED,
            "PAYMENT_METHOD_NOT_OFFERED",
            f"This organization pays by {method}, so nothing was bought: leave `payment` out, or use"
            f" {method}",
            details={"methods": method},
        )
    if billing is not Billing.CARD:
        return Choice(method, client_address=choice.client_address if choice else "")
    return choice


def email_domain(session: Session) -> str:
    """Return the domain of the customer's e-mail address, in lower case; empty without one."""
    email = session.claims.get("email")
    return email.rpartition("@")[2].lower()[:MAX_DOMAIN] if isinstance(email, str) else ""


async def account_created_at(
    connection: Connection, session: Session, customer_id: UUID
) -> datetime | None:
    """Return since when the account exists: by the token, if it says so, or else by its first order."""
    stated = timestamps.from_provider(session.claims.get("created_at"))
    if stated is not None:
        return stated
    first: datetime | None = await connection.fetchval(ACCOUNT, customer_id)
    return first

"""Decides who may buy: customers with their own sessions, or only a service on a customer's behalf."""

from dataclasses import dataclass
from uuid import UUID

from kit.auth.sessions import Role, Session
from kit.errors import Failure, Kind


@dataclass(frozen=True, slots=True)
class Buyers:
    """The rules for sessions; the service role key may always buy for a customer."""

    service_only: bool = False
    anonymous: bool = False

    def check(self, session: Session) -> UUID:
        """Return the customer that a session buys for.

        Raises Failure FORBIDDEN: CUSTOMER_SESSION_REQUIRED for the service role key,
        PURCHASES_BY_SERVICE_ONLY, or ANONYMOUS_SESSION.
        """
        if session.role is Role.SERVICE or session.user_id is None:
            raise Failure(
                Kind.FORBIDDEN,
                "CUSTOMER_SESSION_REQUIRED",
                "An order belongs to a customer: send the access token of the buyer, or call"
                " CreateOrderForCustomer",
            )
        if self.service_only:
            raise Failure(
                Kind.FORBIDDEN,
                "PURCHASES_BY_SERVICE_ONLY",
                "Customers can't buy here directly; buy through the shop's checkout",
            )
        if session.is_anonymous and not self.anonymous:
            raise Failure(
                Kind.FORBIDDEN,
                "ANONYMOUS_SESSION",
                "An anonymous session can't buy; add an e-mail address or sign in, then try again",
            )
        return session.user_id

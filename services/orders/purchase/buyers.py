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

    def check(self, session: Session, organization_id: str) -> UUID:
        """Return the customer that a session buys for.

        `organization_id` is that of the request, empty if it names none. Raises Failure FORBIDDEN:
        CUSTOMER_SESSION_REQUIRED for the service role key, PURCHASES_BY_SERVICE_ONLY, ANONYMOUS_SESSION, or
        API_KEY_ORGANIZATION_REQUIRED.
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
        if session.scopes is not None and not organization_id:
            raise Failure(
                Kind.FORBIDDEN,
                "API_KEY_ORGANIZATION_REQUIRED",
                "An API key buys for its organization only; name the organization in the request",
            )
        return session.user_id

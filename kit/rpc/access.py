"""Who may call a method of a gRPC service, and which of its calls are logged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.errors import Failure, Kind


class Access(Enum):
    """Who may call a method. FINANCE may call what SUPPORT may, administrators both, services everything."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    SUPPORT = "support"
    FINANCE = "finance"
    ADMIN = "admin"
    SERVICE = "service"


ALLOWED = {
    Access.PUBLIC: frozenset(Role),
    Access.SIGNED_IN: SUFFICIENT[Role.CUSTOMER],
    Access.SUPPORT: SUFFICIENT[Role.SUPPORT],
    Access.FINANCE: SUFFICIENT[Role.FINANCE],
    Access.ADMIN: SUFFICIENT[Role.ADMIN],
    Access.SERVICE: SUFFICIENT[Role.SERVICE],
}
REQUIRED_SESSION = {
    Access.PUBLIC: "any caller",
    Access.SIGNED_IN: "a signed-in user",
    Access.SUPPORT: "the support or finance staff or an administrator",
    Access.FINANCE: "the finance staff or an administrator",
    Access.ADMIN: "an administrator",
    Access.SERVICE: "a service of this system",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call one method.

    `scope` is what an API key needs; without one, no API key may call the method. `logged` are the fields of
    the request that are logged when the staff or an operator makes the call, never free text; None logs no
    calls.
    """

    access: Access
    scope: str | None = None
    logged: Sequence[str] | None = None

    def check(self, session: Session) -> None:
        """Raise Failure UNAUTHENTICATED or FORBIDDEN if the session must not call the method."""
        if session.role in ALLOWED[self.access]:
            self._check_scope(session)
            return
        if session.role is Role.ANONYMOUS:
            raise Failure(
                Kind.UNAUTHENTICATED,
                "UNAUTHENTICATED",
                "Not authenticated: send the metadata `authorization: Bearer <access token>`",
            )
        raise Failure(
            Kind.FORBIDDEN,
            "FORBIDDEN",
            f"Not allowed: this call requires the session of {REQUIRED_SESSION[self.access]}",
        )

    def _check_scope(self, session: Session) -> None:
        """Raise Failure FORBIDDEN (SCOPE_MISSING) for the session of an API key without the scope."""
        if session.scopes is None:  # of a person or a service
            return
        if self.scope is None:
            raise Failure(
                Kind.FORBIDDEN,
                "SCOPE_MISSING",
                "Not allowed: no API key may do this; use the session of a person",
            )
        if self.scope not in session.scopes:
            raise Failure(
                Kind.FORBIDDEN,
                "SCOPE_MISSING",
                f"Not allowed: the API key lacks the scope {self.scope}; create a key that has it",
                details={"scope": self.scope},
            )


# The rules of a service, by method.
Rules: TypeAlias = Mapping[str, Rule]

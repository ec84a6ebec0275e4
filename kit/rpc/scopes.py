"""What the session of an API key may call: the methods that its scopes name, and no other."""

from kit.auth.sessions import Session
from kit.errors import Failure, Kind


def check(session: Session, scope: str | None) -> None:
    """Raise Failure FORBIDDEN (SCOPE_MISSING) for the session of an API key without this scope.

    `scope` is None for a method that API keys can't call. Sessions of people and services pass.
    """
    if session.scopes is None:
        return
    if scope is None:
        raise Failure(
            Kind.FORBIDDEN,
            "SCOPE_MISSING",
            "Not allowed: no API key may do this; use the session of a person",
        )
    if scope not in session.scopes:
        raise Failure(
            Kind.FORBIDDEN,
            "SCOPE_MISSING",
            f"Not allowed: the API key lacks the scope {scope}; create a key that has it",
            details={"scope": scope},
        )

"""Errors caused by the state of the database rather than by a statement, as failures for callers."""

import asyncpg

from kit.errors import Failure, Kind

# The server restarts or cannot be reached.
LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised if a connection drops during its release
)
# Severities of errors that end the session.
FATAL = ("FATAL", "PANIC")
UNAVAILABLE = "DATABASE_UNAVAILABLE"
READ_ONLY = "DATABASE_READ_ONLY"
FULL = "DATABASE_FULL"
OVERLOADED = "DATABASE_OVERLOADED"
SLOW = "DATABASE_SLOW"
CONFLICT = "DATABASE_CONFLICT"

# By SQLSTATE, or else by its class, the first two characters.
REASONS = {
    "08": UNAVAILABLE,  # connection exceptions
    "25006": READ_ONLY,  # a standby, or default_transaction_read_only
    "25P03": SLOW,  # idle_in_transaction_session_timeout
    "25P04": SLOW,  # transaction_timeout
    "28": UNAVAILABLE,  # the login is refused, as while passwords are replaced
    "3D000": UNAVAILABLE,  # the database does not exist, as during a restore
    "40": CONFLICT,  # serialization failures, deadlocks, conflicts with recovery
    "53100": FULL,
    "53": OVERLOADED,  # out of memory, too many connections, a configured limit
    "55P03": SLOW,  # lock_timeout, or NOWAIT
    "57014": SLOW,  # statement_timeout, or canceled by an operator
    "57": UNAVAILABLE,  # shutdowns, starts, dropped databases
    "58": UNAVAILABLE,  # the operating system's errors
    "XX001": UNAVAILABLE,  # damaged data, such as an invalid page
    "XX002": UNAVAILABLE,  # a damaged index
}
MESSAGES = {
    UNAVAILABLE: "The database is unavailable; try again soon",
    READ_ONLY: "The database does not accept writes at the moment, so nothing was changed; try again in"
    " a few minutes",
    FULL: "The database is out of disk space, so nothing was changed; try again in a few minutes",
    OVERLOADED: "The database is out of memory or connections; try again soon",
    # The commit may have succeeded before the timeout.
    SLOW: "The database did not answer in time, so the change may or may not have been made; check,"
    " then try again",
    CONFLICT: "A concurrent change conflicted with this one, so nothing was changed; try again",
}


def is_fatal(error: BaseException) -> bool:
    """True if the error ended the session."""
    return getattr(error, "severity_en", None) in FATAL or getattr(error, "severity", None) in FATAL


def reason_of(error: BaseException) -> str | None:
    """Return the reason if the state of the database caused the error; None otherwise."""
    if isinstance(error, TimeoutError):  # raised by asyncpg; also an OSError
        return SLOW
    # A migration has changed a type of the result; the driver prepares the statement again.
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return CONFLICT
    if isinstance(error, asyncpg.PostgresError):
        code = getattr(error, "sqlstate", None) or ""
        known = REASONS.get(code) or REASONS.get(code[:2])
        # The session has ended. Poolers refuse sessions with codes of their own, such as XX000.
        return known or (UNAVAILABLE if is_fatal(error) else None)
    return UNAVAILABLE if isinstance(error, LOST) else None


def failure_of(reason: str) -> Failure:
    """Return the failure for a reason of `reason_of`."""
    return Failure(Kind.UNAVAILABLE, reason, MESSAGES[reason])

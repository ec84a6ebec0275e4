"""The account on whose behalf the current task works."""

from contextvars import ContextVar

# Empty for background work that belongs to no account.
_account: ContextVar[str] = ContextVar("account", default="")


def act_for(account: object) -> None:
    """Set the account that the current task, and the tasks it starts, work for from now on."""
    _account.set(str(account))


def account() -> str:
    """Return the account that the current task works for; empty if it belongs to none."""
    return _account.get()

"""The account on whose behalf the current task runs."""

from contextvars import ContextVar

# Empty for background work without an account.
_account: ContextVar[str] = ContextVar("account", default="")


def act_for(account: object) -> None:
    """Set the account of the current task and of the tasks that it starts."""
    _account.set(str(account))


def account() -> str:
    """Return the account of the current task; empty if there is none."""
    return _account.get()

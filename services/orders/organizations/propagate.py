"""Pushes changes of memberships to the esims service, before the call that made them returns."""

import logging
from collections.abc import Sequence
from typing import Protocol

from kit.errors import Failure
from services.orders.organizations.organization import Change

logger = logging.getLogger(__name__)


class Memberships(Protocol):
    """A service that keeps a copy of the memberships."""

    async def apply(self, change: Change) -> None:
        """Apply a change; repeating it, or applying it after a later one, changes nothing. Raises Failure."""

    async def erase_travelers(self, emails: Sequence[str]) -> None:
        """Erase the travelers with these e-mail addresses; repeatable. Raises Failure."""


class Propagation:
    """Reports changes to the services that keep a copy; they also read them from the feed of changes."""

    def __init__(self, *copies: Memberships) -> None:
        self._copies = copies

    async def push(self, change: Change) -> bool:
        """Report a committed change; False if a service did not confirm it."""
        try:
            for copy in self._copies:
                await copy.apply(change)
        except Failure as failure:
            logger.warning(
                "organization %s: a changed membership was not confirmed by every service (%s);"
                " they will read it from the feed of changes",
                change.organization_id,
                failure.reason,
            )
            return False
        return True

    async def erase_travelers(self, emails: Sequence[str]) -> bool:
        """Let the services erase the travelers with these addresses; False if one did not confirm it."""
        try:
            for copy in self._copies:
                await copy.erase_travelers(emails)
        except Failure as failure:
            logger.warning("travelers were not erased by every service (%s)", failure.reason)
            return False
        return True

"""Follows the changes of eSIMs, to know which orders' eSIMs were installed and used."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from kit.changes.reader import LIMIT
from kit.db.database import Database
from kit.values import timestamps
from protos.changes.v1 import changes_pb2
from services.orders.reports import progress_store
from services.orders.reports.progress_store import Progress

logger = logging.getLogger(__name__)

SOURCE = "esims"
# The type of changes of eSIMs, by the esims service; others are of no interest here.
ESIM = "esim"


class ESIMProgress:
    """Installations and first uses of eSIMs as the esims service knows them; a consumer of its changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cursor(self) -> str:
        """Return up to where the changes are applied; empty at first."""
        async with self._database.system() as connection:
            return await progress_store.cursor(connection, SOURCE)

    async def apply(self, changes: Sequence[changes_pb2.Change], cursor: str) -> None:
        """Apply changes and store the cursor, in one transaction."""
        found = [_progress(change) for change in changes if change.type == ESIM]
        # A full page may not be the last one.
        complete = bool(cursor) and len(changes) < LIMIT
        async with self._database.system() as connection:
            if found:
                await progress_store.apply(connection, found)
            await progress_store.set_cursor(connection, SOURCE, cursor, complete=complete)


def _progress(change: changes_pb2.Change) -> Progress:
    body = dict(change.body.items())
    installed_at = _time(change, body.get("installed_at"))
    if "installed_at" not in body and body.get("installed"):
        # A release before these times only reported that the eSIM is installed.
        installed_at = timestamps.from_proto(change.at)
    return Progress(
        esim_id=UUID(change.subject_id),
        order_id=UUID(str(body["order_id"])),
        installed_at=installed_at,
        first_used_at=_time(change, body.get("first_used_at")),
        version=change.version,
    )


def _time(change: changes_pb2.Change, text: object) -> datetime | None:
    """Return a time of a change; None for none, and for one that can't be read."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        # Not raised, because the changes of all other eSIMs would then wait for this one.
        logger.exception("eSIM %s has a time that can't be read: %s", change.subject_id, text)
        return None

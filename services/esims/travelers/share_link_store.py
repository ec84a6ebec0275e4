"""SQL of share links; every function takes the connection and commits nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.esims.travelers.share_link import ShareLink

COLUMNS = """
    id, esim_id, has_pin, expires_at, revoked_at, locked_until, code_shown_again_at, opened_at, created_at
"""
INSERT = f"""
    insert into esims.share_links (esim_id, token_hash, pin_hash, expires_at, created_by)
    values ($1, $2, $3, $4, $5)
    returning {COLUMNS}
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to store; the hashes are those of `share_link`."""

    esim_id: UUID
    token_hash: bytes = field(repr=False)
    pin_hash: bytes | None = field(repr=False)
    expires_at: datetime | None
    created_by: str


async def insert(connection: Connection, link: NewLink) -> ShareLink:
    row = await connection.fetchrow(
        INSERT, link.esim_id, link.token_hash, link.pin_hash, link.expires_at, link.created_by
    )
    return _link(row)


COUNT_WORKING = """
    select count(*)::int from esims.share_links
    where esim_id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)
"""


async def count_working(connection: Connection, esim_id: UUID, now: datetime) -> int:
    """Return how many links of an eSIM have not ended."""
    return int(await connection.fetchval(COUNT_WORKING, esim_id, now))


SELECT_OF_ESIM = f"""
    select {COLUMNS} from esims.share_links where esim_id = $1 order by created_at desc, id desc limit $2
"""  # noqa: S608 - constants only


async def list_of_esim(connection: Connection, esim_id: UUID, most: int) -> list[ShareLink]:
    """Return the newest links of an eSIM, if the session may see them."""
    return [_link(row) for row in await connection.fetch(SELECT_OF_ESIM, esim_id, most)]


SELECT_ONE = f"select {COLUMNS} from esims.share_links where id = $1"  # noqa: S608 - constants only


async def get(connection: Connection, link_id: UUID) -> ShareLink | None:
    """Return a link that the session may see, or None."""
    row = await connection.fetchrow(SELECT_ONE, link_id)
    return None if row is None else _link(row)


REVOKE = f"""
    update esims.share_links set revoked_at = coalesce(revoked_at, $2) where id = $1 returning {COLUMNS}
"""  # noqa: S608 - constants only


async def revoke(connection: Connection, link_id: UUID, now: datetime) -> ShareLink:
    """End a link; one that has ended keeps its time."""
    return _link(await connection.fetchrow(REVOKE, link_id, now))


REVOKE_OF_ESIMS = """
    update esims.share_links set revoked_at = now() where esim_id = any($1::uuid[]) and revoked_at is null
"""


async def revoke_of_esims(connection: Connection, esim_ids: Sequence[UUID]) -> None:
    """End all links of these eSIMs, whose rows are locked."""
    await connection.execute(REVOKE_OF_ESIMS, esim_ids)


# Conditional: a link may end between a check and this statement.
SHOW_CODE = f"""
    update esims.share_links set code_shown_again_at = $2
    where id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)
    returning {COLUMNS}
"""  # noqa: S608 - constants only


async def show_code(connection: Connection, link_id: UUID, now: datetime) -> ShareLink | None:
    """Show the activation code of a link again; None for a link that has ended."""
    row = await connection.fetchrow(SHOW_CODE, link_id, now)
    return None if row is None else _link(row)


LOCK = f"""
    select {COLUMNS}, pin_hash, wrong_pins from esims.share_links where token_hash = $1 for update
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Locked:
    """A link whose row is locked, with its PIN's hash and the number of wrong PINs in a row."""

    link: ShareLink
    pin_hash: bytes | None = field(repr=False)
    wrong_pins: int


async def lock(connection: Connection, token_hash: bytes) -> Locked | None:
    """Return a link by the hash of its token, and lock its row until the transaction ends."""
    row = await connection.fetchrow(LOCK, token_hash)
    return None if row is None else Locked(_link(row), row["pin_hash"], row["wrong_pins"])


RECORD_OPENED = "update esims.share_links set wrong_pins = 0, opened_at = $2 where id = $1"


async def record_opened(connection: Connection, link_id: UUID, now: datetime) -> None:
    await connection.execute(RECORD_OPENED, link_id, now)


RECORD_WRONG_PIN = "update esims.share_links set wrong_pins = $2, locked_until = $3 where id = $1"


async def record_wrong_pin(
    connection: Connection, link_id: UUID, wrong_pins: int, locked_until: datetime | None
) -> None:
    await connection.execute(RECORD_WRONG_PIN, link_id, wrong_pins, locked_until)


def _link(row: Any) -> ShareLink:
    return ShareLink(**{name: row[name] for name in ShareLink.__dataclass_fields__})

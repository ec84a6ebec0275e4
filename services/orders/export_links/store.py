"""SQL of export links; nothing here commits."""

from datetime import datetime

from kit.db.database import Connection
from services.orders.export_links.requests import NewLink

# Seconds for which a link can be opened: a browser opens it at once.
VALID = 60.0
# Open links in all: at most 160 MB. No shop makes nearly as many exports in a minute.
MAX_OPEN = 10_000
# Rows whose time is over are deleted with each new link, so there are few of them.
DELETE_EXPIRED = """
delete from orders.export_links where token_hash in (
    select token_hash from orders.export_links where expires_at <= now()
    order by expires_at limit 100 for update skip locked
)
"""
COUNT = "select count(*) from (select from orders.export_links limit $1) as open"
INSERT = """
insert into orders.export_links (token_hash, sealed, expires_at)
values ($1, $2, now() + make_interval(secs => $3))
on conflict (token_hash) do nothing returning expires_at
"""
# One statement: of two that open a link at the same time, one gets it.
TAKE = """
delete from orders.export_links where token_hash = $1
returning case when expires_at > now() then sealed end as sealed
"""


async def delete_expired(connection: Connection) -> None:
    """Delete links whose time is over."""
    await connection.execute(DELETE_EXPIRED)


async def is_full(connection: Connection) -> bool:
    """True if no further link may be stored."""
    count: int = await connection.fetchval(COUNT, MAX_OPEN)
    return count >= MAX_OPEN


async def add(connection: Connection, link: NewLink) -> datetime | None:
    """Store a link, and return until when it can be opened; None if its token is in use."""
    until: datetime | None = await connection.fetchval(INSERT, link.token_hash, link.sealed, VALID)
    return until


async def take(connection: Connection, token_hash: bytes) -> bytes | None:
    """Delete a link, and return what was stored with it; None if it can't be opened."""
    sealed: bytes | None = await connection.fetchval(TAKE, token_hash)
    return sealed

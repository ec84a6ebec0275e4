"""SQL of API keys and their signing keys; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kit.auth.signing import SigningKey
from kit.db.database import Connection
from services.orders.api_keys.api_key import APIKey, Scope

COLUMNS = """k.id, k.organization_id, k.name, k.hint, k.scopes, k.addresses, k.created_at, k.created_by,
    k.expires_at, k.last_used_at, k.revoked_at, k.revoked_by"""


def _read_row(row: Any) -> APIKey:
    """Build a key from a row with COLUMNS."""
    return APIKey(
        id=row["id"],
        organization_id=row["organization_id"],
        name=row["name"],
        hint=row["hint"],
        scopes=tuple(map(Scope, row["scopes"])),
        addresses=tuple(row["addresses"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
        revoked_by=row["revoked_by"] or "",
    )


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to create; `expires_at` is None if it doesn't expire."""

    organization_id: UUID
    name: str
    scopes: Sequence[Scope]
    addresses: Sequence[str]
    expires_at: datetime | None


# Of keys that can be used.
COUNT = """
select count(*) from orders.api_keys k
where k.organization_id = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
"""
CREATE = f"""
insert into orders.api_keys as k
    (id, organization_id, name, key_hash, hint, scopes, addresses, expires_at, created_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS goes in


async def count(connection: Connection, organization_id: UUID) -> int:
    """Return the number of keys that can be used."""
    return int(await connection.fetchval(COUNT, organization_id))


async def create(
    connection: Connection, new: NewKey, key_id: UUID, key_hash: bytes, hint: str, actor: str
) -> APIKey:
    """Store a new key."""
    row = await connection.fetchrow(
        CREATE,
        key_id,
        new.organization_id,
        new.name,
        key_hash,
        hint,
        list(new.scopes),
        list(new.addresses),
        new.expires_at,
        actor,
    )
    return _read_row(row)


PAGE = f"""
select {COLUMNS} from orders.api_keys k
where k.organization_id = $1 and ($2::timestamptz is null or (k.created_at, k.id) < ($2, $3::uuid))
order by k.created_at desc, k.id desc limit $4
"""  # noqa: S608 - the same


async def list_page(
    connection: Connection,
    organization_id: UUID,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[APIKey]:
    """Return keys of an organization, the newest first."""
    at, id_ = after or (None, None)
    rows = await connection.fetch(PAGE, organization_id, at, id_, limit)
    return list(map(_read_row, rows))


GET = f"select {COLUMNS} from orders.api_keys k where k.id = $1"  # noqa: S608 - the same


async def get(connection: Connection, key_id: UUID) -> APIKey | None:
    row = await connection.fetchrow(GET, key_id)
    return None if row is None else _read_row(row)


FIND = f"select {COLUMNS} from orders.api_keys k where k.key_hash = $1"  # noqa: S608 - the same


async def find(connection: Connection, key_hash: bytes) -> APIKey | None:
    """Return the key with that hash."""
    row = await connection.fetchrow(FIND, key_hash)
    return None if row is None else _read_row(row)


USED = """
update orders.api_keys set last_used_at = now()
where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')
"""


async def record_use(connection: Connection, key_id: UUID) -> None:
    """Record that a key was used, at most once a minute."""
    await connection.execute(USED, key_id)


PUBLIC = "select public from orders.signing_keys order by created_at desc"
SEALED = """
select id, sealed from orders.signing_keys where created_at > now() - $1::interval
order by created_at desc, id
"""
INSERT = "insert into orders.signing_keys (id, public, sealed) values ($1, $2, $3)"
DELETE = "delete from orders.signing_keys where created_at < now() - $1::interval"
DELETE_OTHERS = "delete from orders.signing_keys where id <> $1"


async def public_keys(connection: Connection) -> list[dict[str, str]]:
    """Return the public keys, the newest first."""
    return [row["public"] for row in await connection.fetch(PUBLIC)]


async def sealed_keys(connection: Connection, younger_than: timedelta) -> list[tuple[str, bytes]]:
    """Return the id and the encrypted private key of each young key, the newest first."""
    rows = await connection.fetch(SEALED, younger_than)
    return [(row["id"], row["sealed"]) for row in rows]


async def add_signing_key(connection: Connection, key: SigningKey, sealed: bytes) -> None:
    await connection.execute(INSERT, key.id, key.public(), sealed)


async def delete_signing_keys(connection: Connection, older_than: timedelta) -> None:
    """Delete the signing keys whose tokens have all expired."""
    await connection.execute(DELETE, older_than)


async def delete_other_signing_keys(connection: Connection, key_id: str) -> None:
    """Withdraw all signing keys but one."""
    await connection.execute(DELETE_OTHERS, key_id)

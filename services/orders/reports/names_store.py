"""SQL that reads what reports show of organizations."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kit.db.database import Connection

NAMES = "select id, name from orders.organizations where id = any($1::uuid[])"


async def organizations(connection: Connection, ids: Collection[UUID]) -> dict[str, str]:
    """Return the names of organizations by their ids."""
    return {str(row["id"]): row["name"] for row in await connection.fetch(NAMES, list(ids))}


@dataclass(frozen=True, slots=True)
class Home:
    """The currency and the time zone of an organization."""

    currency: str
    time_zone: str


async def home(connection: Connection, organization_id: UUID) -> Home:
    """Return those of an organization that exists."""
    row: Any = await connection.fetchrow(
        "select currency, time_zone from orders.organizations where id = $1", organization_id
    )
    return Home(row["currency"], row["time_zone"])

"""SQL of the networks of countries; one process reads them at a time."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kit.db.database import Connection
from kit.values.plain_text import fold
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.networks.provider_networks import Network

# Seconds. Longer than a refresh may take, so that a lease ends early only if its process died.
LEASE = 300

NETWORKS_OF = "select country, networks from catalogue.networks where country = any($1::text[])"


async def networks_of(connection: Connection, isos: Sequence[str]) -> list[pb.CountryNetworks]:
    """Return the networks of those countries that have any."""
    return [
        pb.CountryNetworks(
            iso=row["country"], networks=[pb.Network(**network) for network in row["networks"]]
        )
        for row in await connection.fetch(NETWORKS_OF, isos)
    ]


BEGIN = """
update catalogue.network_reading
set leased_until = now() + make_interval(secs => $2)
where (read_at is null or read_at <= now() - make_interval(secs => $1))
  and (leased_until is null or leased_until <= now())
returning true
"""


async def begin(connection: Connection, every: float) -> bool:
    """Take the lease if the last refresh is older than `every` seconds and none is in progress."""
    return bool(await connection.fetchval(BEGIN, every, LEASE))


FINISH = """
update catalogue.network_reading
set leased_until = null, read_at = case when $1 then now() else read_at end
"""


async def finish(connection: Connection, *, success: bool) -> None:
    """End the lease, and record whether networks were read."""
    await connection.execute(FINISH, success)


AGE = """
select extract(epoch from now() - read_at)::float8 from catalogue.network_reading
where read_at is not null
"""


async def age(connection: Connection) -> float | None:
    """Return the seconds since the last success of any process; None before it."""
    found: float | None = await connection.fetchval(AGE)
    return found


COUNTRIES = """
select distinct country ->> 'name' as name, country ->> 'iso' as iso
from catalogue.data_plans, jsonb_array_elements(countries) as country
"""


async def country_codes(connection: Connection) -> dict[str, str]:
    """Return the codes of all countries of plans, by their folded names and codes."""
    rows = await connection.fetch(COUNTRIES)
    return {fold(row[column]): row["iso"] for row in rows for column in ("name", "iso")}


async def count(connection: Connection) -> int:
    """Return how many countries have networks."""
    found: int = await connection.fetchval("select count(*) from catalogue.networks")
    return found


ALL = "select country, networks from catalogue.networks"
WRITE = """
insert into catalogue.networks as kept (country, networks)
select country, networks
from jsonb_to_recordset($1::text::jsonb) as given (country text, networks jsonb)
on conflict (country) do update set networks = excluded.networks, read_at = now()
"""
REMOVE = "delete from catalogue.networks where country = any($1::text[])"


async def write(
    connection: Connection, networks: Mapping[str, Sequence[Network]], *, complete: bool
) -> int:
    """Write the countries whose networks changed, and return how many.

    If the reading is complete, countries without networks are removed. Nothing is written if nothing
    changed, as every write raises the catalogue's revision.
    """
    before: dict[str, Any] = {
        row["country"]: row["networks"] for row in await connection.fetch(ALL)
    }
    now = {country: [one.to_json() for one in of] for country, of in networks.items() if of}
    changed = [
        {"country": country, "networks": of}
        for country, of in now.items()
        if before.get(country) != of
    ]
    gone = [country for country in before if country not in now] if complete else []
    if changed:
        await connection.execute(WRITE, json.dumps(changed))
    if gone:
        await connection.execute(REMOVE, gone)
    return len(changed) + len(gone)

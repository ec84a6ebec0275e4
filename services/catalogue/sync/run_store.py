"""SQL of catalogue syncs: one runs at a time over all replicas."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.catalogue.sync.write import Change

# Seconds without a heartbeat after which a run's process counts as dead. A heartbeat is sent every second,
# so that a pause of the database doesn't end a healthy run.
DEAD_AFTER = 20
# Days. A quarter of a year of hourly results is enough to see when something began.
RETENTION_DAYS = 90
# Problems that are reported of one run: enough to see what they have in common.
MAX_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One sync: its progress while `finished_at` is None, then its result.

    `expected` is 0 while the provider hasn't said how many there are. `error` is empty on success.
    `skipped` counts the records that could not be used, `problems` describes the first of them, and
    `withheld` counts the plans that they took off sale.
    """

    id: UUID
    started_at: datetime
    finished_at: datetime | None
    read: int
    expected: int
    plan_count: int
    added: int
    changed: int
    withdrawn: int
    skipped: int
    withheld: int
    problems: list[str]
    error: str


COLUMNS = """
    id, started_at, finished_at, plans_read as read, plans_expected as expected, plan_count, added,
    changed, withdrawn, skipped, withheld, problems, error
"""

END_DEAD = f"""
update catalogue.sync_runs
set finished_at = now(), error = 'The process that ran it ended before it was done.'
where finished_at is null and seen_at < now() - interval '{DEAD_AFTER} seconds'
"""  # noqa: S608 - constants


async def end_dead(connection: Connection) -> None:
    """Mark the run of a dead process as failed, if there is one."""
    await connection.execute(END_DEAD)


BEGIN = """
insert into catalogue.sync_runs default values
on conflict ((true)) where finished_at is null do nothing
returning id
"""


async def begin(connection: Connection) -> UUID | None:
    """Begin a run; None if one is running in any replica."""
    await end_dead(connection)
    begun: UUID | None = await connection.fetchval(BEGIN)
    return begun


UNFINISHED = f"""
select id from catalogue.sync_runs
where finished_at is null and seen_at >= now() - interval '{DEAD_AFTER} seconds'
"""  # noqa: S608 - constants


async def unfinished(connection: Connection) -> UUID | None:
    """Return the run in progress, unless its process counts as dead."""
    running: UUID | None = await connection.fetchval(UNFINISHED)
    return running


PROGRESS = """
update catalogue.sync_runs set plans_read = $2, plans_expected = $3, seen_at = now()
where id = $1 and finished_at is null
"""


async def record_progress(connection: Connection, run: UUID, read: int, expected: int) -> None:
    await connection.execute(PROGRESS, run, read, expected)


FINISH = """
update catalogue.sync_runs
set finished_at = clock_timestamp(), plans_read = $2, plan_count = $2, added = $3, changed = $4,
    withdrawn = $5, skipped = $6, withheld = $7, problems = $8
where id = $1 and finished_at is null
"""


async def finish(connection: Connection, run: UUID, read: int, change: Change) -> bool:
    """Record success; False if the run counted as dead: its result must be discarded."""
    status = await connection.execute(
        FINISH,
        run,
        read,
        change.added,
        change.changed,
        change.withdrawn,
        len(change.unusable),
        change.withheld,
        problems(change),
    )
    return str(status) == "UPDATE 1"


def problems(change: Change) -> list[str]:
    """Describe the first records that could not be used, and how many more there are."""
    texts = [record.problem for record in change.unusable[:MAX_PROBLEMS]]
    more = len(change.unusable) - len(texts)
    return [*texts, f"and {more} more"] if more else texts


FAIL = """
update catalogue.sync_runs set finished_at = now(), error = $2
where id = $1 and finished_at is null
"""


async def fail(connection: Connection, run: UUID, error: str) -> None:
    """Record the error of a failed run; the plans stay as they were."""
    await connection.execute(FAIL, run, error)


FORGET = f"""
delete from catalogue.sync_runs where started_at < now() - interval '{RETENTION_DAYS} days'
"""  # noqa: S608 - constants


async def forget_old(connection: Connection) -> None:
    await connection.execute(FORGET)


BY_ID = f"select {COLUMNS} from catalogue.sync_runs where id = $1"  # noqa: S608 - constants


async def by_id(connection: Connection, run: UUID) -> Run | None:
    return _run(await connection.fetchrow(BY_ID, run))


LAST = f"""
select {COLUMNS} from catalogue.sync_runs
where finished_at is not null order by started_at desc limit 1
"""  # noqa: S608 - constants


async def last(connection: Connection) -> Run | None:
    """Return the last finished run, failed or not."""
    return _run(await connection.fetchrow(LAST))


LAST_SUCCESS = f"""
select {COLUMNS} from catalogue.sync_runs
where finished_at is not null and error = '' order by started_at desc limit 1
"""  # noqa: S608 - constants


async def last_success(connection: Connection) -> Run | None:
    """Return the last run that succeeded."""
    return _run(await connection.fetchrow(LAST_SUCCESS))


CONFIRMED_AT = """
select started_at from catalogue.sync_runs
where finished_at is not null and error = '' and skipped = 0 order by started_at desc limit 1
"""


async def confirmed_at(connection: Connection) -> datetime | None:
    """Return when the provider last confirmed the costs of all plans on sale.

    A sync that could not use every record may have left out a plan, which then keeps its old cost.
    """
    found: datetime | None = await connection.fetchval(CONFIRMED_AT)
    return found


SINCE_SUCCESS = """
select extract(epoch from now() - started_at)::float8 as age, skipped
from catalogue.sync_runs where finished_at is not null and error = ''
order by started_at desc limit 1
"""


async def since_success(connection: Connection) -> tuple[float | None, int]:
    """Return the seconds since the last success, and how many records it could not use.

    By the database's clock, which all replicas share; None before the first success.
    """
    row = await connection.fetchrow(SINCE_SUCCESS)
    return (None, 0) if row is None else (row["age"], row["skipped"])


def _run(row: Any) -> Run | None:
    return None if row is None else Run(**row)

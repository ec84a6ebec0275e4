"""SQL of reports: which disputes and warnings are to be read, under leases; nothing here commits."""

from datetime import timedelta
from uuid import UUID

from kit.db.database import Connection
from services.orders.payments.disputes.report import Report, ReportKind

MAKE_DUE = """
insert into orders.payment_reports (id, kind, payment_id) values ($1, $2, $3)
on conflict (id) do update set next_run_at = now(), run = null, looks = 0, updated_at = now()
"""


async def make_due(
    connection: Connection, report_id: str, kind: ReportKind, payment_id: UUID
) -> None:
    """Have a dispute or warning read now. A run that reads it loses its lease, as it may be too early."""
    await connection.execute(MAKE_DUE, report_id, kind, payment_id)


ADD = """
insert into orders.payment_reports (id, kind, payment_id) values ($1, $2, $3) on conflict (id) do nothing
"""


async def add(connection: Connection, report_id: str, kind: ReportKind, payment_id: UUID) -> bool:
    """Have a dispute or warning read if it is new here; return whether it is."""
    return bool(await connection.execute(ADD, report_id, kind, payment_id) == "INSERT 0 1")


TAKE = """
with due as (
    select id from orders.payment_reports where next_run_at <= now()
    order by next_run_at limit $1 for update skip locked
)
update orders.payment_reports r
set run = $2, next_run_at = now() + $3::interval, looks = r.looks + 1
from due where r.id = due.id
returning r.id, r.kind, r.payment_id, r.acted_at, r.looks
"""


async def take(connection: Connection, limit: int, run: UUID, lease: timedelta) -> list[Report]:
    """Lease reports that are due, the longest waiting first."""
    rows = await connection.fetch(TAKE, limit, run, lease)
    return [
        Report(r["id"], ReportKind(r["kind"]), r["payment_id"], r["acted_at"], r["looks"], run)
        for r in rows
    ]


HELD = "select from orders.payment_reports where id = $1 and run = $2 for update"


async def still_leased(connection: Connection, report: Report) -> bool:
    """Return whether a run still has its lease, which it then keeps until the transaction ends.

    Without it, an event came or another run took the report, and may have read something newer.
    """
    return await connection.fetchrow(HELD, report.id, report.run) is not None


RETURN = """
update orders.payment_reports
set run = null, next_run_at = now() + $3::interval, detail = $4, updated_at = now()
where id = $1 and run = $2
"""


async def put_back(
    connection: Connection, report_id: str, run: UUID, pause: timedelta | None, detail: str
) -> None:
    """End a lease, and have the report read after a pause; None: not before something happens to it."""
    await connection.execute(RETURN, report_id, run, pause, detail)


ACTED = "update orders.payment_reports set acted_at = now(), updated_at = now() where id = $1"


async def record_act(connection: Connection, report_id: str) -> None:
    """Record that the operator's choice was carried out."""
    await connection.execute(ACTED, report_id)

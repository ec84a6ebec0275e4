"""The statements of the job that sums read only the rows that they need, however many samples are stored."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from services.esims.usage import sum_store
from tests.component.esims.usage.parts import Reports

FILL = """
insert into esims.usage_samples (bundle_name, at, used_bytes, previous_bytes, source)
select 'b' || n % 50, now() - n * interval '1 minute', 10, 0, 'READ' from generate_series(1, 20000) n;
insert into esims.visits (bundle_name, country, first_seen_at, last_seen_at)
select 'b' || n % 50, 'FR', now() - n * interval '1 minute', now() - n * interval '1 minute'
from generate_series(1, 20000) n;
insert into esims.usage_zones (time_zone) values ('UTC');
update esims.usage_watermarks set xid = pg_current_xact_id(), id = 19000, highest_id = 19000;
"""
ANALYZE = "analyze esims.usage_samples, esims.visits, esims.usage_watermarks, esims.usage_by_day"
STATEMENTS = {
    **{
        f"sum {source}": (
            sum_store.SUM.format(
                figures=sum_store.FIGURES[source],
                table=table,
                columns=sum_store.COLUMNS,
                grouped=sum_store.GROUPED,
                raise_=sum_store.RAISE,
                within=sum_store.KNOWN_WITHIN,
                next=sum_store.NEXT[source],
            ),
            (source, 2_000),
        )
        for source, table in sum_store.TABLES.items()
    },
    "lag": (sum_store.LAG, ()),
    "ahead": (sum_store.AHEAD, ()),
    "days": (sum_store.DAYS, ()),
    "differs": (sum_store.DIFFERS, ("UTC", datetime(2026, 1, 1, tzinfo=UTC).date())),
}


def scans(plan: Any) -> list[str]:
    """Return the tables that a plan reads whole."""
    found = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    return found + [table for child in plan.get("Plans", ()) for table in scans(child)]


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_statement_reads_all_samples(reports: Reports, name: str) -> None:
    await reports.admin.execute(f"begin; {FILL} commit")
    await reports.admin.execute(ANALYZE)
    statement, arguments = STATEMENTS[name]
    async with reports.parts.database.system() as connection:
        plan = await connection.fetchval(f"explain (format json) {statement}", *arguments)
    read = scans(json.loads(plan)[0]["Plan"])
    if name == "lag" or name.startswith("sum"):
        # The index is entered at the watermark.
        assert len(re.findall(r'"Index Cond": "[^"]*ROW\(xid, id\) > ROW', plan)) in (1, 2)
        assert not re.search(r'Filter": "[^"]*ROW\(', plan)
    assert not {"usage_samples", "visits"} & set(read)

"""Names that no index holds, and other rows that can't be summed, block no other usage."""

import pytest

from kit.telemetry import metrics
from services.esims.usage import sum_store
from tests.component.esims.usage.parts import GB, MB, START, Reports
from tests.component.esims.usage.summing import (
    differences,
    some_use,
    stored,
    sum_all,
    sums_in,
    waiting,
)
from tests.fixtures.long_texts import EMOJI

INSERT = """
insert into esims.usage_samples
    (esim_id, assignment_id, bundle_name, at, used_bytes, previous_bytes, source)
values ($1, 'a', $2, $3, $4, 0, 'READ')
"""


async def test_a_bundle_with_a_name_that_no_index_holds_is_skipped(reports: Reports) -> None:
    parts = reports.parts
    odd, usual = await parts.deliver(2)
    assignment = {
        "id": "215",
        "bundleState": "active",
        "initialQuantity": GB,
        "remainingQuantity": GB - 5 * MB,
        "startTime": START.isoformat(),
    }
    for esim, rows in (
        (odd, [(EMOJI, "215"), ("esim_a", "216"), ("esim_b", EMOJI)]),
        (usual, [("esim_a", "217")]),
    ):
        bundles = [{"name": name, "assignments": [{**assignment, "id": id_}]} for name, id_ in rows]
        await parts.provider.control(
            "POST",
            "/faults",
            {
                "method": "GET",
                "path": f"/esims/{esim.iccid}/bundles",
                "status": 200,
                "body": {"bundles": bundles},
                "count": 0,
            },
        )
    await parts.fetcher.refresh([odd, usual], force=True)
    found = await reports.admin.fetch(
        "select name, assignment_id from esims.esim_bundles order by 2"
    )
    assert [tuple(row) for row in found] == [("esim_a", "216"), ("esim_a", "217")]
    await sum_all(reports)
    (figures,) = (await stored(reports, "UTC")).values()
    assert (figures[0], figures[2]) == (10 * MB, 2)


@pytest.mark.parametrize("step", [2_000, 3, 1])
async def test_a_sample_that_cannot_be_summed_blocks_no_others(
    reports: Reports, caplog: pytest.LogCaptureFixture, step: int
) -> None:
    await some_use(reports, reports_each=3)
    (esim,) = await reports.parts.deliver()
    await reports.admin.execute(INSERT, esim.id, EMOJI, START, 5 * MB)
    await reports.used(esim, 1, 7 * MB, name="esim_last")
    odd = await reports.admin.fetchval(
        "select id from esims.usage_samples where bundle_name = $1", EMOJI
    )
    await sum_all(reports, step=step)
    summed = await stored(reports, "UTC")
    samples = await reports.admin.fetchval("select count(*) from esims.usage_samples")
    assert sum(figures[2] for figures in summed.values()) == samples - 1
    assert "esim_last" in {key[2] for key in summed}
    assert f"row {odd} of samples is left out of the sums: index row size" in caplog.text
    assert len(await differences(reports)) == 1  # so UsageDiffers reports the day


async def test_the_lag_is_measured_after_a_round_that_failed(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 1, 5 * MB)
    await reports.admin.execute(
        "update esims.usage_samples set received_at = now() - interval '1 hour'"
    )
    await reports.admin.execute(
        "alter table esims.bundle_plans add constraint fails check (bundle_name = '') not valid"
    )
    with metrics.separate_registry() as registry:
        worker = sums_in(reports)
        with pytest.raises(Exception, match="fails"):
            while await waiting(reports):
                await worker.round()
        lag = registry.get_sample_value("esimgo_usage_lag_seconds")
        assert lag is not None
        assert 3_600 <= lag < 3_700
        await reports.admin.execute("alter table esims.bundle_plans drop constraint fails")
        while await waiting(reports):
            await worker.round()
        assert registry.get_sample_value("esimgo_usage_lag_seconds") == 0
        async with reports.parts.database.system() as connection:
            assert await sum_store.lag(connection) == 0

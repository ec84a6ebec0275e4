"""Samples of usage: one whenever a bundle is found to have used more, whichever program stores the report."""

from datetime import timedelta

from services.esims.bundle import ANNOUNCED, AssignmentState
from services.esims.callbacks.events import BundleExpired, BundleUse, CountrySeen
from tests.component.esims.usage.parts import GB, MB, START, Reports, at

HOUR = 3600


async def test_each_growth_is_a_sample_with_what_was_used_since_the_last(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 0, 0)
    await reports.used(esim, 1, 10 * MB)
    await reports.used(esim, 5, 10 * MB, queried=True)
    await reports.used(esim, 8, 500 * MB, queried=True)
    assert [
        (row["at"], row["previous_bytes"], row["used_bytes"], row["gap_seconds"], row["source"])
        for row in await reports.samples()
    ] == [
        (at(1), 0, 10 * MB, HOUR, "CALLBACK"),
        # That nothing more was used was known at hour 5.
        (at(8), 10 * MB, 500 * MB, 3 * HOUR, "READ"),
    ]


async def test_what_is_known_at_first_was_used_since_the_start(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 2, 30 * MB, queried=True)
    await reports.used(esim, 3, 50 * MB, assignment="a2", started=None)
    first, second = await reports.samples()
    assert (first["bytes"], first["gap_seconds"]) == (30 * MB, 2 * HOUR)
    assert (second["bytes"], second["gap_seconds"]) == (50 * MB, None)
    assert first["organization_id"] is None
    assert first["bundle_name"] == esim.bundle_name


async def test_a_corrected_report_counts_only_beyond_the_highest(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 1, 80 * MB)
    await reports.used(esim, 2, 60 * MB, queried=True)  # the provider knows better
    await reports.used(esim, 3, 80 * MB, queried=True)
    await reports.used(esim, 4, 90 * MB, queried=True)
    assert [(row["bytes"], row["at"]) for row in await reports.samples()] == [
        (80 * MB, at(1)),
        (10 * MB, at(4)),
    ]


async def test_that_a_bundle_ended_says_nothing_about_when_its_data_was_used(
    reports: Reports,
) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 1, 30 * MB)
    await reports.apply(esim, (200, BundleExpired(esim.bundle_name)))
    await reports.used(esim, 201, 50 * MB, queried=True, state=AssignmentState.EXPIRED)
    samples = await reports.samples()
    assert [(row["bytes"], row["gap_seconds"]) for row in samples] == [
        (30 * MB, HOUR),
        (20 * MB, 200 * HOUR),
    ]


async def test_a_late_report_says_not_when_the_data_was_used(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 5, 10 * MB, queried=True)
    await reports.used(esim, 3, 20 * MB)  # its delivery took long, and the answer lagged
    late = (await reports.samples())[-1]
    assert (late["bytes"], late["at"], late["gap_seconds"]) == (10 * MB, at(5), None)


async def test_unlimited_and_unknown_quantities_have_no_samples(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 1, 5 * MB, unlimited=True)
    await reports.used(esim, 2, 0, initial=0, assignment="voice")
    await reports.used(esim, 3, None, assignment="unknown")
    assert await reports.samples() == []
    # An unlimited one that turns out to be limited counts from then on.
    await reports.used(esim, 4, 7 * MB, queried=True)
    assert [row["bytes"] for row in await reports.samples()] == [7 * MB]


async def test_use_from_before_samples_is_their_baseline(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    # As the columns are after the migration.
    await reports.admin.execute("set session_replication_role = replica")
    await reports.used(esim, 0, 0)
    await reports.admin.execute("set session_replication_role = origin")
    for assignment, before in (("grows", 300), ("corrected", 600)):
        await reports.used(esim, 1, before * MB, assignment=assignment)
    await reports.admin.execute(
        "update esims.esim_bundles set used_at = null, used_source = null, highest_used_bytes = null"
    )
    await reports.admin.execute("truncate esims.usage_samples")
    await reports.used(esim, 10, 350 * MB, assignment="grows")
    await reports.used(esim, 10, 550 * MB, assignment="corrected", queried=True)
    await reports.used(esim, 11, 620 * MB, assignment="corrected", queried=True)
    assert [
        (
            row["assignment_id"],
            row["previous_bytes"] // MB,
            row["used_bytes"] // MB,
            row["gap_seconds"],
        )
        for row in await reports.samples()
    ] == [("grows", 300, 350, 10 * HOUR), ("corrected", 600, 620, HOUR)]


async def test_an_announced_bundle_keeps_its_samples_under_its_real_id(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    announced = f"{ANNOUNCED}{esim.bundle_name}"
    await reports.used(esim, 0, 100 * MB, assignment=announced)
    await reports.used(esim, 1, 250 * MB, assignment="real", queried=True)
    rows = await reports.samples()
    assert [(row["assignment_id"], row["bytes"]) for row in rows] == [
        ("real", 100 * MB),
        ("real", 150 * MB),
    ]


async def test_samples_name_the_country_where_the_esim_was_seen(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    await reports.used(esim, 0, 1 * MB, queried=True)

    def use(percent: int) -> BundleUse:
        return BundleUse(
            "a1", esim.bundle_name, GB, GB - percent * 10 * MB, START, None, unlimited=False
        )

    # One delivery after an outage: each use counts where the eSIM was when it was reported.
    await reports.apply(
        esim,
        (1, CountrySeen("FR")),
        (2, use(50)),
        (3, CountrySeen("de")),
        (4, use(80)),
    )
    # This one was received in France, but delivered late.
    await reports.used(esim, 2.5, 850 * MB, assignment="a2")
    await reports.apply(esim, (5, CountrySeen("Neverland")), (6, use(100)))
    assert [(row["used_bytes"] // MB, row["country"]) for row in await reports.samples()] == [
        (1, None),
        (500, "FR"),
        (800, "DE"),
        (850, "FR"),
        (1000, None),
    ]


async def test_a_visit_lasts_until_the_country_changes_or_three_days_pass(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    seen = [(0, "FR"), (24, "FR"), (30, "ES"), (31, "FR"), (31 + 72, "FR"), (31 + 72 + 73, "FR")]
    for hours, country in seen:
        await reports.apply(esim, (hours, CountrySeen(country)))
    assert await reports.visits() == [
        ("FR", 0, 24),
        ("ES", 30, 30),
        ("FR", 31, 103),
        ("FR", 176, 176),
    ]


async def test_an_esim_is_first_used_when_its_first_bundle_starts(reports: Reports) -> None:
    started, unlimited, announced, waiting = await reports.parts.deliver(4)
    await reports.used(started, 5, 0)
    await reports.used(unlimited, 6, None, unlimited=True, started=None)
    await reports.used(announced, 7, 3 * MB, started=None, state=AssignmentState.PROCESSING)
    await reports.used(waiting, 8, 0, started=None, state=AssignmentState.QUEUED)
    assert [await reports.first_used(e) for e in (started, unlimited, announced, waiting)] == [
        START,
        at(6),
        at(7),
        None,
    ]
    # An earlier start is learned later; a top-up changes nothing.
    await reports.used(unlimited, 9, None, unlimited=True, started=at(2), queried=True)
    await reports.used(started, 9, 1 * MB, started=at(8), assignment="a2")
    assert await reports.first_used(unlimited) == at(2)
    assert await reports.first_used(started) == START


async def test_changes_say_when_an_esim_was_installed_and_first_used(reports: Reports) -> None:
    (esim,) = await reports.parts.deliver()
    query = "select version, body from esims.outbox where subject_id = $1 order by id"
    assert len(await reports.admin.fetch(query, esim.id)) == 1
    installed = START + timedelta(microseconds=7)
    set_installed = "update esims.esims set installed_at = $2 where id = $1"
    await reports.admin.execute(set_installed, esim.id, installed)
    await reports.used(esim, 1, 0)
    await reports.used(esim, 2, 1 * MB)
    await reports.admin.execute(set_installed, esim.id, None)
    rows = await reports.admin.fetch(
        "select body ->> 'installed_at' as installed, body ->> 'first_used_at' as used"
        " from esims.outbox where subject_id = $1 order by id",
        esim.id,
    )
    when, used = "2026-03-01T12:00:00.000007Z", "2026-03-01T12:00:00.000000Z"
    assert [(row["installed"], row["used"]) for row in rows] == [
        (None, None),
        (when, None),
        (when, used),
        (None, used),
    ]

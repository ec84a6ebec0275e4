"""Batches of events: few SQL statements for all of them, and one failing event does not affect the rest."""

from datetime import timedelta
from uuid import uuid4

from services.esims.callbacks.apply import Events, Outcome
from services.esims.callbacks.events import (
    Activated,
    BundleActivated,
    BundleExpired,
    Change,
    CountrySeen,
    Event,
)
from services.esims.esim import ESIM
from tests.component.esims.parts import Parts
from tests.component.esims.running import BUNDLE


async def apply(parts: Parts, *reports: tuple[ESIM, Change]) -> list[Outcome]:
    """Return the outcomes of one call in order."""
    now = parts.clock.wall()
    events = [
        Event(uuid4(), now + timedelta(seconds=number), esim.iccid, change)
        for number, (esim, change) in enumerate(reports)
    ]
    applying = Events(
        parts.database, parts.clock, parts.source.forget, lambda: None, lambda esims: None
    )
    results = await applying.apply(events)
    return [results[event.id].outcome for event in events]


async def test_the_number_of_statements_does_not_grow_with_the_number_of_events(
    parts: Parts,
) -> None:
    warm, first, *others = await parts.deliver(5)
    await apply(parts, (warm, Activated(None)))  # the client reads the types of the columns once
    counts = []
    for some in ([first], others):
        parts.statements.clear()
        assert set(await apply(parts, *((esim, Activated(None)) for esim in some))) == {
            Outcome.APPLIED
        }
        counts.append(len(parts.statements))
    assert counts[0] == counts[1]


async def test_an_event_that_cannot_be_applied_does_not_affect_others(parts: Parts) -> None:
    sound, broken = await parts.deliver(2)
    admin = parts.databases.admin
    await admin.execute(
        f"""create function fail() returns trigger language plpgsql as
        $$ begin if new.iccid = '{broken.iccid}' and new.last_country = 'ES' then
            raise exception 'a fault'; end if; return new; end $$"""
    )
    await admin.execute(
        "create trigger fail before update on esims.esims for each row execute function fail()"
    )
    outcomes = await apply(
        parts,
        (broken, CountrySeen("FR")),
        (sound, CountrySeen("ES")),
        (broken, CountrySeen("ES")),
        (broken, Activated(None)),
    )
    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED, Outcome.FAILED, Outcome.APPLIED]
    rows = await admin.fetch("select iccid, last_country, status from esims.esims")
    assert {row["iccid"]: (row["last_country"], row["status"]) for row in rows} == {
        sound.iccid: ("ES", "ASSIGNED"),
        broken.iccid: ("FR", "ACTIVE"),
    }


async def test_an_event_sees_the_effect_of_the_previous_event(parts: Parts) -> None:
    (esim,) = await parts.deliver()
    outcomes = await apply(
        parts,
        (esim, BundleActivated(BUNDLE, esim.created_at, None)),
        (esim, BundleExpired(BUNDLE)),
        (esim, BundleExpired(BUNDLE)),
    )
    # Only the provider knows which assignment began, but the end is certain.
    assert outcomes == [Outcome.READ_QUEUED, Outcome.APPLIED, Outcome.UNCHANGED]
    assert await parts.status(esim.id) == "EXPIRED"

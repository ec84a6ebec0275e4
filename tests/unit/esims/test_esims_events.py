"""The effect of events on an eSIM in ambiguous cases."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from services.esims.bundle import Assignment, AssignmentState, Bundle
from services.esims.callbacks import events
from services.esims.callbacks.effects import Effect, effect_of
from services.esims.callbacks.events import BundleExpired, BundleUse, Change, Event
from services.esims.esim import ESIM, ProviderState, with_status
from tests.unit.esims.example import NOW, esim

GB = 10**9
ESIM_ = esim(bundle_name="b")


def bundle(
    number: str,
    state: AssignmentState = AssignmentState.QUEUED,
    *,
    started: datetime | None = None,
    left: int | None = GB,
    absent: bool = False,
    assigned: datetime = NOW,
    unlimited: bool = False,
) -> Bundle:
    ends = started + timedelta(days=7) if started else None
    assignment = Assignment(
        number,
        "b",
        "",
        "order-0",
        state,
        None if unlimited else GB,
        None if unlimited else left,
        unlimited,
        assigned,
        started,
        ends,
    )
    return Bundle(ESIM_.id, assignment, absent=absent, esim_suspended=False, read_at=NOW)


def after(change: Change, *bundles: Bundle, esim: ESIM = ESIM_) -> Effect:
    return effect_of(Event(UUID(int=9), NOW, esim.iccid, change), esim, bundles)


def used(
    left: int | None,
    started: datetime | None,
    assignment_id: str | None = None,
    unlimited: bool | None = None,
) -> BundleUse:
    return BundleUse(assignment_id, "b", GB, left, started, None, unlimited)


def reported(effect: Effect) -> tuple[str, AssignmentState, int | None]:
    assert effect.reported is not None
    return effect.reported.id, effect.reported.state, effect.reported.remaining_bytes


def test_the_started_one_of_two_bundles_with_one_name_is_meant() -> None:
    running = bundle("1", AssignmentState.ACTIVE, started=NOW)
    effect = after(used(5, NOW), bundle("2"), running)
    assert reported(effect) == ("1", AssignmentState.ACTIVE, 5)
    assert not effect.read


def test_two_unused_bundles_with_one_name_query_the_provider() -> None:
    effect = after(used(5, NOW), bundle("1"), bundle("2"))
    assert effect == Effect(ESIM_, read=True)


def test_the_only_unused_bundle_is_updated_and_the_provider_queried() -> None:
    effect = after(used(5, NOW), bundle("1"))
    assert reported(effect) == ("1", AssignmentState.ACTIVE, 5)
    assert effect.read


def test_a_bundle_is_recognized_by_its_reference_if_its_id_is_another() -> None:
    known = bundle("1", AssignmentState.ACTIVE, started=NOW)
    use = replace(used(5, NOW, "999", unlimited=False), reference=known.assignment.reference)
    effect = after(use, known)
    assert reported(effect) == ("1", AssignmentState.ACTIVE, 5)
    assert effect.read
    # Several bundles of the same reference, or another reference: it may be an unknown bundle.
    assert reported(after(use, known, bundle("2")))[0] == "999"
    assert reported(after(replace(use, reference="order-1"), known))[0] == "999"


def test_a_report_without_a_start_may_be_about_any_bundle_of_that_name() -> None:
    for state in (AssignmentState.ACTIVE, AssignmentState.EXPIRED):
        started = bundle("1", state, started=NOW)
        assert after(used(5, None), started, bundle("2")) == Effect(ESIM_, read=True)
    removed = bundle("1", absent=True)
    assert reported(after(used(5, None), removed, bundle("2"))) == ("2", AssignmentState.ACTIVE, 5)


def test_a_bundle_with_zero_remaining_is_depleted() -> None:
    running = bundle("1", AssignmentState.ACTIVE, started=NOW)
    assert reported(after(used(0, NOW, "1"), running)) == ("1", AssignmentState.DEPLETED, 0)


RUNNING = bundle("1", AssignmentState.ACTIVE, started=NOW)
UNLIMITED = bundle("1", AssignmentState.ACTIVE, started=NOW, unlimited=True)


def test_an_unlimited_bundle_with_zero_remaining_is_throttled() -> None:
    for report in (used(0, NOW), used(0, NOW, "1"), used(0, NOW, "1", unlimited=True)):
        # It is in use, which is known already.
        assert after(replace(report, ends_at=None), UNLIMITED) == Effect(ESIM_)
    began = after(used(0, NOW, "1"), bundle("1", unlimited=True))
    assert reported(began) == ("1", AssignmentState.ACTIVE, None)


def test_zero_remaining_depletes_only_a_bundle_known_to_be_limited() -> None:
    assert after(used(0, NOW, "1")) == Effect(ESIM_, read=True)
    announced = bundle("announced:b", AssignmentState.ACTIVE, started=NOW)
    assert after(used(0, NOW), announced) == Effect(ESIM_, read=True)
    limited = after(used(0, NOW, "1", unlimited=False))
    assert reported(limited) == ("1", AssignmentState.DEPLETED, 0)


def test_a_report_that_contradicts_the_known_limit_queries_the_provider() -> None:
    assert after(used(0, NOW, "1", unlimited=False), UNLIMITED) == Effect(ESIM_, read=True)
    assert after(used(None, NOW, "1", unlimited=True), RUNNING) == Effect(ESIM_, read=True)


def test_a_report_older_than_the_last_list_queries_the_provider() -> None:
    read = replace(ESIM_, bundles_read_at=NOW)
    for change in (used(0, NOW, "1"), BundleExpired("b"), events.BundleActivated("b", NOW, None)):
        assert after(change, RUNNING, esim=read) == Effect(read, read=True)
        newer = replace(ESIM_, bundles_read_at=NOW - timedelta(seconds=1))
        assert after(change, RUNNING, esim=newer).esim == newer


def test_a_deletion_older_than_the_last_response_queries_the_provider() -> None:
    read = replace(ESIM_, state_read_at=NOW)
    assert after(events.Deleted(), esim=read) == Effect(read, read=True)
    newer = after(events.Deleted(), esim=replace(ESIM_, state_read_at=NOW - timedelta(seconds=1)))
    assert newer.esim.provider_state is ProviderState.DEACTIVATED


def test_a_report_of_less_usage_than_known_is_ignored() -> None:
    running = bundle("1", AssignmentState.ACTIVE, started=NOW, left=5)
    assert after(replace(used(6, NOW, "1"), ends_at=None), running) == Effect(ESIM_)


def test_usage_of_a_removed_bundle_queries_the_provider() -> None:
    assert after(used(5, NOW, "1"), bundle("1", absent=True)) == Effect(ESIM_, read=True)


def test_a_report_on_an_ended_bundle_updates_only_its_remaining_data() -> None:
    ended = bundle("1", AssignmentState.EXPIRED, started=NOW, left=9)
    # The SQL statement preserves the state of ended bundles.
    assert reported(after(used(5, NOW, "1"), ended))[2] == 5


def test_an_expiry_applies_to_the_bundle_in_use() -> None:
    running = bundle("1", AssignmentState.ACTIVE, started=NOW)
    assert reported(after(BundleExpired("b"), running, bundle("2")))[:2] == (
        "1",
        AssignmentState.EXPIRED,
    )


def test_an_expiry_that_may_concern_an_ended_bundle_queries_the_provider() -> None:
    ended = bundle("1", AssignmentState.EXPIRED, started=NOW)
    running = bundle("2", AssignmentState.ACTIVE, started=NOW)
    assert after(BundleExpired("b"), ended, running) == Effect(ESIM_, read=True)
    assert after(BundleExpired("b"), ended) == Effect(ESIM_)


def test_a_bundle_assigned_after_the_announcement_prevents_the_deletion() -> None:
    announced = replace(ESIM_, deletion_announced_at=NOW)
    older, newer = bundle("1"), bundle("2", assigned=NOW + timedelta(days=1))
    assert announced.deletion_date == NOW + timedelta(days=7)
    assert with_status(announced, [older], NOW).deletion_date == announced.deletion_date
    assert with_status(announced, [older, newer], NOW).deletion_date is None


def test_an_unknown_country_is_looked_up_at_the_provider() -> None:
    event = Event(UUID(int=9), NOW, ESIM_.iccid, events.CountrySeen(""))
    known = replace(ESIM_, last_country="FR", last_country_at=NOW - timedelta(hours=1))
    assert effect_of(event, known, []) == Effect(known, locate=True)
    assert effect_of(replace(event, repeated=True), known, []) == Effect(known, locate=True)


def test_the_removal_of_a_number_removes_no_other_number() -> None:
    known = replace(ESIM_, msisdn="447001", msisdn_at=NOW - timedelta(hours=1))
    for other in ("447002", "+44 7002"):
        effect = after(events.NumberChanged("", other), esim=known)
        assert effect == Effect(known, read=True)
    for same in ("447001", "+44 7001", "00447001", ""):
        assert after(events.NumberChanged("", same), esim=known).esim.msisdn == ""
    without = replace(known, msisdn="")
    assert after(events.NumberChanged("", "447002"), esim=without).esim.msisdn_at == NOW


def test_an_older_country_or_number_or_code_changes_nothing() -> None:
    known = replace(ESIM_, last_country="FR", last_country_at=NOW, msisdn="44", msisdn_at=NOW)
    known = replace(known, code_assigned_at=NOW)
    early = NOW - timedelta(minutes=1)
    for change in (
        events.CountrySeen("ES"),
        events.NumberChanged(""),
        events.CodeAssigned("old.example", "OLD", early),
    ):
        event = Event(UUID(int=9), early, known.iccid, change)
        assert effect_of(event, known, []) == Effect(known)

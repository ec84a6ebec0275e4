"""The provider's JSON about eSIMs: odd shapes are parsed, and bodies without required fields are refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure, Kind
from services.esims.bundle import AssignmentState
from services.esims.esim import ProviderState
from services.esims.provider_bundle import read_assignments, read_bundles
from services.esims.provider_esim import (
    read_compatible,
    read_details,
    read_history,
    read_list,
    read_location,
)
from tests.unit.esims.assignments import assignment, read

GB = 10**9
DETAILS = {"iccid": "8944000000000000001", "profileStatus": "Released"}


@pytest.mark.parametrize("word", ["Suspended", "SUSPENDED", "suspended"])
def test_a_state_is_parsed_in_any_case(word: str) -> None:
    assert read_details({**DETAILS, "state": word}).state is ProviderState.SUSPENDED


def test_an_unknown_or_absent_state_is_none() -> None:
    assert read_details({**DETAILS, "state": "frozen"}).state is None
    assert read_details(DETAILS).state is None


def test_a_deactivated_profile_deactivates_the_esim() -> None:
    body = {**DETAILS, "profileStatus": "Deactivated", "state": "active"}
    assert read_details(body).state is ProviderState.DEACTIVATED


def test_details_accept_either_name_of_the_smdp_address_and_contain_no_pin() -> None:
    body = {**DETAILS, "rspUrl": "https://rsp.example", "matchingId": "M", "pin": "1", "puk": "2"}
    details = read_details(body)
    assert details.smdp_address == "rsp.example"
    assert not {"pin", "puk"} & set(details.__dataclass_fields__)
    assert "'M'" not in repr(details)


def test_an_iccid_that_comes_as_a_number_keeps_its_digits() -> None:
    assert read_details({**DETAILS, "iccid": 89440000000000000017}).iccid == "89440000000000000017"


@pytest.mark.parametrize("written", ["8944000000000000001F", "8944 0000 0000 0000 001f"])
def test_an_iccid_is_the_same_however_the_provider_writes_it(written: str) -> None:
    assert read_details({**DETAILS, "iccid": written}).iccid == "8944000000000000001"
    assert read_list([{"iccid": written}])[0][0].iccid == "8944000000000000001"


def test_a_list_may_be_an_array_or_an_object_with_pages() -> None:
    row = {"iccid": "8944000000000000001", "state": "Active", "actionDate": "", "new": 1}
    for body, pages in (
        ([row], None),
        ({"esims": [row], "pageCount": 3}, 3),
        ({"esims": None}, None),
    ):
        found, page_count = read_list(body)
        assert page_count == pages
        assert [(e.iccid, e.state, e.action_date) for e in found] in (
            [("8944000000000000001", ProviderState.ACTIVE, None)],
            [],
        )


def test_an_assignment_listed_twice_counts_once() -> None:
    bundle = {"name": "b", "assignments": [assignment(), assignment(bundleState="active")]}
    for found in (read_bundles({"bundles": [bundle]}).assignments, read_assignments(bundle, "b")):
        assert [a.state for a in found] == [AssignmentState.ACTIVE]


@pytest.mark.parametrize(
    "odd",
    [
        assignment(id=""),
        assignment(bundleState="melted"),
        assignment(bundleState=None),
        "not an object",
        None,
    ],
)
def test_a_malformed_assignment_is_skipped_and_the_others_are_parsed(odd: Any) -> None:
    listing = read_bundles(
        {
            "bundles": [
                {"name": "a", "assignments": [odd, assignment(id="7")]},
                {"name": "b", "assignments": [assignment(id="8")]},
                {"assignments": [assignment(id="9")]},
                {"name": "c"},
                17,
            ]
        }
    )
    assert [(found.id, found.name) for found in listing.assignments] == [("7", "a"), ("8", "b")]
    assert listing.skipped == 4


@pytest.mark.parametrize(
    "fields",
    [{"bundleState": "QUEUED"}, {"bundleState": ..., "bundleStatus": "queued"}, {"id": 215}],
)
def test_an_assignment_is_parsed_in_alternative_spellings(fields: dict[str, Any]) -> None:
    found = read(**fields)
    assert (found.id, found.state) == ("215", AssignmentState.QUEUED)


UNBELIEVABLE: list[Any] = [
    "", None, 0, -1, "soon", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z", "9999-99-99", 10**30, Decimal("1e400"), True, [],
]  # fmt: skip


@pytest.mark.parametrize("value", UNBELIEVABLE)
def test_an_implausible_time_is_unknown_in_every_response(value: Any) -> None:
    found = read(assignmentDateTime=value, startTime=value, endTime=value)
    assert (found.assigned_at, found.started_at, found.ends_at) == (None, None, None)
    assert read_details({**DETAILS, "firstInstalledDateTime": value}).first_installed is None
    row = {"iccid": "8944000000000000001", "actionDate": value, "assignedDate": value}
    (listed,), _ = read_list([row])
    assert (listed.action_date, listed.assigned_date) == (None, None)
    location = read_location({"mobileNetworkCode": "FRAF1", "lastSeen": value})
    assert location is not None
    assert location.last_seen is None
    assert read_history([{"name": "Bundle Applied", "date": value}]) == []


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", None, "2026-02-06T18:00:00Z"])
def test_an_end_that_is_not_after_the_assignment_is_unknown(start: Any) -> None:
    for end in ("2012-01-01T00:00:00Z", "2026-02-05T10:00:00Z"):
        dates = {"assignmentDateTime": "2026-02-05T10:00:00Z", "startTime": start, "endTime": end}
        found = read(bundleState="active", **dates)
        assert (found.assigned_at is None, found.ends_at) == (False, None)


def test_a_time_may_have_nanoseconds_or_be_in_milliseconds() -> None:
    expected = datetime(2026, 2, 6, 18, 2, 11, 730918, tzinfo=UTC)
    assert read(endTime="2026-02-06T18:02:11.730918402Z").ends_at == expected
    installed = read_details({**DETAILS, "firstInstalledDateTime": 1770401020000}).first_installed
    assert installed == datetime(2026, 2, 6, 18, 3, 40, tzinfo=UTC)


def test_history_may_be_one_object_and_name_the_bundle_either_way() -> None:
    old = {"name": "Bundle Applied", "bundle": "b", "date": "2026-01-01T00:00:00Z"}
    new = {"name": "eSIM First Use", "bundleName": "c", "date": "2026-01-02T00:00:00Z"}
    answers = {"": None, "b": old, "cb": [old, new, {"name": "undated"}]}
    assert ["".join(e.bundle_name for e in read_history(a)) for a in answers.values()] == [*answers]


@pytest.mark.parametrize(
    "body", [{}, {"mobileNetworkCode": "", "networkName": "", "country": "", "lastSeen": ""}]
)
def test_a_location_without_a_network_or_a_time_is_absent(body: dict[str, Any]) -> None:
    assert read_location(body) is None


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (read_details, []),
        (read_details, {"profileStatus": "Released"}),
        (read_list, {"rows": 1}),
        (read_list, {"esims": [{"state": "active"}]}),
        (read_bundles, {}),
        (read_bundles, {"bundles": [{"assignments": []}]}),
        (read_bundles, {"bundles": [{"name": "b"}]}),
        (read_bundles, {"bundles": [{"name": "b", "assignments": [assignment(id="")]}]}),
        (
            read_bundles,
            {"bundles": [{"name": "b", "assignments": [assignment(bundleState="melted")]}]},
        ),
        (read_compatible, {"compatible": "yes"}),
        (read_history, ["text"]),
        (read_location, "nowhere"),
    ],
)
def test_a_response_without_required_fields_is_a_bad_response(
    reader: Callable[[Any], Any], body: Any
) -> None:
    with pytest.raises(Failure) as caught:
        reader(body)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "PROVIDER_BAD_ANSWER")


def test_a_malformed_row_does_not_hide_others() -> None:
    good = {"iccid": "8944000000000000001"}
    found, _ = read_list({"esims": [None, {"state": "active"}, good, 7], "pageCount": True})
    assert [row.iccid for row in found] == ["8944000000000000001"]
    entry = {"name": "eSIM Assigned", "date": "2026-11-20T10:00:00Z"}
    assert len(read_history([None, "text", entry])) == 1


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("Europe\x00 1 GB", "Europe 1 GB"),
        ("Europe \ud83d", "Europe"),
        ("e" * 4_001, ""),
        (" 👨‍👩‍👧 ", "👨‍👩‍👧"),
    ],
)
def test_text_that_no_column_can_store_does_not_drop_the_bundle(written: str, read_as: str) -> None:
    bundle = {
        "name": "b",
        "description": written,
        "assignments": [assignment(), assignment(id=written)],
    }
    found = read_bundles({"bundles": [bundle]}).assignments
    assert found[0].id == "215"
    assert {each.description for each in found} == {read_as}
    assert [each.id for each in found[1:]] == [read_as] * bool(read_as)


def test_the_phone_number_is_known_if_the_details_state_it() -> None:
    assert read_details(DETAILS).msisdn is None
    assert read_details({**DETAILS, "msisdn": None}).msisdn is None
    assert read_details({**DETAILS, "msisdn": ""}).msisdn == ""
    assert read_details({**DETAILS, "msisdn": " "}).msisdn == ""
    unreadable: list[Any] = [Decimal("447700900123.5"), True, {}, ["447700900123"], "4" * 5_000]
    for odd in unreadable:
        assert read_details({**DETAILS, "msisdn": odd}).msisdn is None
    assert read_details({**DETAILS, "msisdn": 447700900123}).msisdn == "447700900123"

"""How the provider's list of an eSIM's bundles is read, also with placeholders and malformed rows."""

from typing import Any

import pytest

from kit.errors import Failure
from services.orders.provider.provider_bundle import BundleOnESIM, read_bundles


def test_assignments_contain_their_order_and_their_use() -> None:
    rows = [
        {"id": 17, "bundleState": "Queued", "assignmentReference": "ref-1-0"},
        {"id": "18", "bundleStatus": "active", "startTime": "2026-01-01T00:00:00Z"},
        {"id": "19", "bundleState": "queued", "initialQuantity": 10, "remainingQuantity": 9},
    ]
    first, second, third = read_bundles({"bundles": [{"name": "b", "assignments": rows}]})
    assert first == BundleOnESIM("17", "b", "ref-1-0", "queued", touched=False)
    assert first.unused
    assert not second.unused
    assert not third.unused
    assert first.belongs_to("ref-1")


NOT_STARTED = [
    "0001-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "",
    "N/A",
    0,
    None,
]


@pytest.mark.parametrize("start", NOT_STARTED)
def test_a_placeholder_for_the_start_of_a_bundle_is_no_use(start: Any) -> None:
    row = {"id": "17", "bundleState": "queued", "startTime": start}
    (found,) = read_bundles({"bundles": [{"name": "b", "assignments": [row]}]})
    assert found.unused


@pytest.mark.parametrize(("left", "unused"), [(-1, True), ("-1", True), (0, False), ("9.5", False)])
def test_only_a_smaller_amount_of_data_is_use(left: Any, unused: bool) -> None:
    row = {"id": "17", "bundleState": "queued", "initialQuantity": 10, "remainingQuantity": left}
    (found,) = read_bundles({"bundles": [{"name": "b", "assignments": [row]}]})
    assert found.unused is unused


def test_an_assignment_that_is_listed_twice_is_returned_once_and_as_used() -> None:
    queued = {"id": "17", "bundleState": "queued"}
    for other in (queued, queued | {"bundleState": "active"}, queued | {"bundleState": "revoked"}):
        for rows in ([queued, other], [other, queued]):
            (found,) = read_bundles({"bundles": [{"name": "b", "assignments": rows}]})
            assert found.state == other["bundleState"]
    odd: list[Any] = [{}, {}, None]
    assert len(read_bundles({"bundles": [{"name": "b", "assignments": odd}]})) == 3


def test_an_order_does_not_own_assignments_of_a_longer_reference() -> None:
    def of(reference: str) -> BundleOnESIM:
        return BundleOnESIM("1", "b", reference, "queued", touched=False)

    assert of("ref-1-12").belongs_to("ref-1")
    assert of("REF-1-12").belongs_to("ref-1")
    assert of("ref-1").belongs_to("ref-1")
    assert not of("ref-10-0").belongs_to("ref-1")
    assert not of("ref-1-0-0").belongs_to("ref-1")
    assert not of("").belongs_to("ref-1")


@pytest.mark.parametrize(
    "odd", [{}, None, 7, {"id": "18"}, {"bundleState": "queued"}, {"id": "18", "bundleState": 1.5}]
)
def test_an_unreadable_assignment_does_not_hide_others(odd: Any) -> None:
    rows = [odd, {"id": "17", "bundleState": "queued", "assignmentReference": "ref-1-0"}]
    first, second = read_bundles({"bundles": [{"name": "b", "assignments": rows}]})
    assert (first.readable, first.unused) == (False, False)
    assert (second.readable, second.assignment_id) == (True, "17")


@pytest.mark.parametrize("odd", ["", " ", "..", "a/../b", "a\nb", "\x7f", None, ["b"]])
def test_an_assignment_that_no_path_can_contain_is_unreadable(odd: Any) -> None:
    row = {"id": "17", "bundleState": "queued", "assignmentReference": "ref-1-0"}
    bundles = [
        {"name": odd, "assignments": [row]},
        {"name": "b", "assignments": [row | {"id": odd}]},
    ]
    for bundle in bundles:
        (found,) = read_bundles({"bundles": [bundle]})
        assert (found.readable, found.unused) == (False, False)
        assert found.belongs_to("ref-1")


@pytest.mark.parametrize("shape", [{}, {"bundles": 7}, [], None])
def test_bundles_may_be_null_but_not_missing(shape: Any) -> None:
    assert read_bundles({"bundles": None}) == []
    with pytest.raises(Failure):
        read_bundles(shape)


@pytest.mark.parametrize("odd", [None, 7, {"name": "x", "assignments": 7}])
def test_an_unreadable_bundle_counts_as_an_unreadable_assignment(odd: Any) -> None:
    assert [bundle.readable for bundle in read_bundles({"bundles": [odd]})] == [False]

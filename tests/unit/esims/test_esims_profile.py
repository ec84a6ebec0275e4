"""Profile reports in any order: the newest counts, and ambiguity is resolved by the provider."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.esims.esim import ESIM, ESIMStatus
from services.esims.profile import after_callback, after_snapshot, awaits_install
from tests.unit.esims.example import NEW, NOW


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def reported(esim: ESIM, status: str, seconds: float) -> ESIM:
    changed = after_callback(esim, status, after(seconds))
    assert changed is not None
    return changed


def read(esim: ESIM, status: str, seconds: float, installed: datetime | None = None) -> ESIM:
    return after_snapshot(esim, status, installed, after(seconds))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_callbacks_in_any_order_lead_to_the_same_state(order: tuple[int, ...]) -> None:
    reports = [("Downloaded", 0), ("Installed", 0), ("Released", 60)]
    esim = NEW
    for index in order:
        esim = reported(esim, *reports[index])
    assert (esim.profile_status, esim.installed_at) == ("Released", NOW)


def test_a_download_and_an_install_in_the_same_second_are_an_install() -> None:
    for one, other in (("Downloaded", "Installed"), ("Installed", "Downloaded")):
        assert reported(reported(NEW, one, 0), other, 0).profile_status == "Installed"


def test_a_callback_older_than_the_snapshot_changes_nothing() -> None:
    esim = read(NEW, "Released", 60, installed=NOW)
    assert reported(esim, "Installed", 0) == esim


@pytest.mark.parametrize("profile_status", ["Installed", "Unavailable", "A new word"])
def test_a_callback_close_to_the_snapshot_time_is_resolved_by_the_provider(
    profile_status: str,
) -> None:
    assert after_callback(read(NEW, "Released", 0.3), profile_status, NOW) is None


def test_a_response_from_around_an_install_does_not_revert_it() -> None:
    esim = reported(NEW, "Installed", 0)
    assert read(esim, "Released", 0.3).profile_status == "Installed"
    assert read(esim, "Released", 6).profile_status == "Released"


def test_an_install_that_the_provider_does_not_confirm_is_reverted() -> None:
    esim = reported(NEW, "Installed", 0)
    assert esim.installed_at == NOW
    corrected = read(esim, "Released", 6)
    assert (corrected.profile_status, corrected.installed_at) == ("Released", None)
    removed = read(esim, "Released", 6, installed=NOW)
    assert (removed.profile_status, removed.installed_at) == ("Released", NOW)


def test_a_late_response_changes_nothing() -> None:
    esim = read(NEW, "Installed", 60)
    assert read(esim, "Released", 0) == esim


def test_a_snapshot_reveals_an_install_without_a_callback() -> None:
    esim = read(read(NEW, "Released", 0), "Installed", 2, installed=after(1))
    assert (esim.profile_status, esim.installed_at) == ("Installed", after(1))


def test_a_response_without_a_profile_status_changes_nothing() -> None:
    esim = reported(NEW, "Installed", 0)
    assert read(esim, "", 60) == esim


@pytest.mark.parametrize(
    ("status", "profile_status", "waits"),
    [
        (ESIMStatus.ASSIGNED, "", True),
        (ESIMStatus.ASSIGNED, "Released", True),
        (ESIMStatus.ACTIVE, "downloaded", True),
        (ESIMStatus.ASSIGNED, "Installed", False),
        (ESIMStatus.ASSIGNED, "Unavailable", False),
        (ESIMStatus.EXPIRED, "Released", False),
        (ESIMStatus.CANCELLED, "", False),
    ],
)
def test_an_install_is_awaited_while_it_is_possible(
    status: ESIMStatus, profile_status: str, waits: bool
) -> None:
    assert awaits_install(replace(NEW, status=status, profile_status=profile_status)) is waits

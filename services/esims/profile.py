"""Rules for the profile status of an eSIM, whose reports may arrive in any order."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.esims.esim import ESIM, ESIMStatus

# The steps of an installation, in order; any other status is final.
STEPS = ("released", "downloaded", "installed")
RELEASED, DOWNLOADED, INSTALLED = range(len(STEPS))
# Clocks differ, and callbacks have whole seconds: within this time, the order of a callback and an answer
# is uncertain.
CLOCKS_APART = timedelta(seconds=5)
FINAL = frozenset({ESIMStatus.EXPIRED, ESIMStatus.CANCELLED})


def after_callback(esim: ESIM, status: str, at: datetime) -> ESIM | None:
    """Return the eSIM after a callback about a status at `at`; None if the provider has to be queried."""
    if _step(status) == INSTALLED:
        esim = _installed(esim, at)
    known_at = esim.profile_status_at
    if (
        known_at is None
        or at > known_at
        # Downloaded and Installed may be reported for the same second.
        or (at == known_at and _step(status) > _step(esim.profile_status))
    ):
        return replace(esim, profile_status=status, profile_status_at=at)
    # A late Downloaded is certainly superseded; for any other status that is uncertain.
    doubtful = known_at <= at + CLOCKS_APART and _step(status) != DOWNLOADED
    return None if doubtful and status != esim.profile_status else esim


def after_snapshot(
    esim: ESIM, status: str, first_installed: datetime | None, queried_at: datetime
) -> ESIM:
    """Return the eSIM after the provider's answer to a query at `queried_at`; the status may be empty."""
    if first_installed is not None:
        esim = _installed(esim, first_installed)
    known_at = esim.profile_status_at
    back = _step(status) < _step(esim.profile_status)
    if not status or (
        known_at is not None and queried_at <= (known_at + CLOCKS_APART if back else known_at)
    ):
        return esim
    if never_installed(status, first_installed):  # an earlier report was wrong
        esim = replace(esim, installed_at=None)
    return replace(esim, profile_status=status, profile_status_at=queried_at)


def never_installed(status: str, first_installed: datetime | None) -> bool:
    """True if an answer of the provider says that no device has ever installed the profile."""
    return first_installed is None and _step(status) == RELEASED


def awaits_install(esim: ESIM) -> bool:
    """True if a device may still install it, as far as is known."""
    return esim.status not in FINAL and _step(esim.profile_status) < INSTALLED


def _installed(esim: ESIM, at: datetime) -> ESIM:
    first = at if esim.installed_at is None else min(esim.installed_at, at)
    return replace(esim, installed_at=first)


def _step(status: str) -> int:
    word = status.lower()
    if not word:
        return -1
    return STEPS.index(word) if word in STEPS else len(STEPS)

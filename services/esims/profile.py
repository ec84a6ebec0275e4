"""The profile of an eSIM on its device: which word of the provider's counts, in whatever order they come."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.esims.esim import ESIM, ESIMStatus

# What a device does with a profile, in that order; other words of the provider's are final.
STEPS = ("released", "downloaded", "installed")
RELEASED, DOWNLOADED, INSTALLED = range(len(STEPS))
# The provider's clock isn't ours, and its callbacks have whole seconds: so far apart, nobody can
# tell which of a callback and an answer was first.
CLOCKS_APART = timedelta(seconds=5)
OVER = frozenset({ESIMStatus.EXPIRED, ESIMStatus.CANCELLED})


def told_by_callback(esim: ESIM, status: str, at: datetime) -> ESIM | None:
    """The eSIM after a callback about `at`; None: only the provider can tell."""
    if _step(status) == INSTALLED:
        esim = _installed(esim, at)
    known_at = esim.profile_status_at
    if (
        known_at is None
        or at > known_at
        # Downloaded and Installed may have the same second.
        or (at == known_at and _step(status) > _step(esim.profile_status))
    ):
        return replace(esim, profile_status=status, profile_status_at=at)
    # A download ends by itself: whatever is known of since then, it was before.
    doubtful = known_at <= at + CLOCKS_APART and _step(status) != DOWNLOADED
    return None if doubtful and status != esim.profile_status else esim


def told_by_reading(
    esim: ESIM, status: str, first_installed: datetime | None, asked_at: datetime
) -> ESIM:
    """The eSIM after an answer of the provider's; an empty status stands for none."""
    if first_installed is not None:
        esim = _installed(esim, first_installed)
    known_at = esim.profile_status_at
    back = _step(status) < _step(esim.profile_status)
    if not status or (
        known_at is not None and asked_at <= (known_at + CLOCKS_APART if back else known_at)
    ):
        return esim
    if first_installed is None and _step(status) == RELEASED:
        # Released without a first install means never installed: what told otherwise was wrong.
        esim = replace(esim, installed_at=None)
    return replace(esim, profile_status=status, profile_status_at=asked_at)


def awaits_install(esim: ESIM) -> bool:
    """Whether a device may still install it, as far as is known."""
    return esim.status not in OVER and _step(esim.profile_status) < INSTALLED


def _installed(esim: ESIM, at: datetime) -> ESIM:
    first = at if esim.installed_at is None else min(esim.installed_at, at)
    return replace(esim, installed_at=first)


def _step(status: str) -> int:
    word = status.lower()
    if not word:
        return -1
    return STEPS.index(word) if word in STEPS else len(STEPS)

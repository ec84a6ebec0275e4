"""An eSIM that was delivered to a customer, and the rules of its status."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.esims.bundle import Bundle

SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


# According to the provider's guide, an idle eSIM is deleted this long after the announcement.
DELETED_AFTER = timedelta(days=7)


class ESIMStatus(StrEnum):
    """Lifecycle status that customers see."""

    PROCESSING = "PROCESSING"
    ASSIGNED = "ASSIGNED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class ProviderState(StrEnum):
    """The provider's state of an eSIM, independent of its bundles and of the device."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"


ACTIONS = {
    ESIMStatus.ASSIGNED: "Assigned",
    ESIMStatus.ACTIVE: "Activated",
    ESIMStatus.SUSPENDED: "Suspended",
    ESIMStatus.EXPIRED: "Expired",
    ESIMStatus.CANCELLED: "Cancelled",
}


@dataclass(frozen=True, slots=True)
class Traveler:
    """Who travels with an eSIM that another customer or an organization bought; `id` None: not stored."""

    id: UUID | None
    name: str = field(repr=False)
    email: str = field(repr=False)
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class ESIM:
    """One stored eSIM.

    `state_read_at` and `bundles_read_at` are when the provider was last queried; None: never. The fields
    after `updated_at` come from callbacks, those of the profile from snapshots too. `activated_at` is when
    it was first seen on a network, `installed_at` when a device first installed it.
    """

    id: UUID
    iccid: str
    customer_id: UUID
    order_id: UUID
    plan_id: UUID
    order_reference: str
    bundle_name: str
    customer_ref: str
    auto_activate: bool
    status: ESIMStatus
    provider_state: ProviderState
    matching_id: str = field(repr=False)
    smdp_address: str
    assigned_date: datetime | None
    last_action: str
    action_date: datetime | None
    order_cancelled_at: datetime | None
    state_read_at: datetime | None
    bundles_read_at: datetime | None
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None = None
    deletion_announced_at: datetime | None = None
    last_country: str = ""
    last_country_at: datetime | None = None
    profile_status: str = ""
    profile_status_at: datetime | None = None
    msisdn: str = field(repr=False, default="")
    msisdn_at: datetime | None = None
    message_failed_at: datetime | None = None
    code_assigned_at: datetime | None = None
    installed_at: datetime | None = None
    organization_id: UUID | None = None
    group_id: UUID | None = None
    traveler: Traveler | None = None

    @property
    def deletion_date(self) -> datetime | None:
        """When the provider deletes it, or did; None if no deletion was announced."""
        announced = self.deletion_announced_at
        return None if announced is None else announced + DELETED_AFTER

    @property
    def installable(self) -> bool:
        """True if everything that a device needs to download the profile is known."""
        return bool(self.matching_id and self.smdp_address)

    @property
    def as_of(self) -> datetime | None:
        """When the provider was last queried: the older of its two answers."""
        read = [at for at in (self.state_read_at, self.bundles_read_at) if at is not None]
        return min(read, default=None)

    def is_stale(self, now: datetime, fresh_for: timedelta, *, state_too: bool = False) -> bool:
        """True if its bundles, or with `state_too` its state, should be fetched again."""
        read_at = self.as_of if state_too else self.bundles_read_at
        unread = self.bundles_read_at is None or (state_too and self.state_read_at is None)
        return unread or read_at is None or now - read_at >= fresh_for


def status_of(esim: ESIM, bundles: Sequence[Bundle]) -> ESIMStatus:
    """Return the status that follows from the provider's state and all known bundles.

    An eSIM without a usable bundle is EXPIRED or CANCELLED even while it is suspended: lifting the
    suspension would restore nothing.
    """
    if esim.provider_state is ProviderState.DEACTIVATED:
        return ESIMStatus.CANCELLED
    cancelled = esim.order_cancelled_at is not None
    if (bundles or cancelled) and not any(bundle.usable for bundle in bundles):
        revoked = cancelled or all(bundle.revoked for bundle in bundles)
        return ESIMStatus.CANCELLED if revoked else ESIMStatus.EXPIRED
    if esim.provider_state is ProviderState.SUSPENDED:
        return ESIMStatus.SUSPENDED
    if esim.activated_at is not None or any(bundle.in_force for bundle in bundles):
        return ESIMStatus.ACTIVE
    return ESIMStatus.ASSIGNED if esim.installable else ESIMStatus.PROCESSING


def with_status(esim: ESIM, bundles: Sequence[Bundle], now: datetime) -> ESIM:
    """Return the eSIM with the status that follows, and with the action that describes a change."""
    # The bundles have the eSIM's state from before this change.
    bundles = [replace(bundle, esim_deactivated=False) for bundle in bundles]
    announced = esim.deletion_announced_at
    if announced is not None and any(b.usable and _after(b, announced) for b in bundles):
        esim = replace(esim, deletion_announced_at=None)
    status = status_of(esim, bundles)
    if status is esim.status:
        return esim
    if esim.status is ESIMStatus.SUSPENDED and status in (ESIMStatus.ASSIGNED, ESIMStatus.ACTIVE):
        action = "Restored"
    else:
        action = ACTIONS.get(status, esim.last_action)
    return replace(esim, status=status, last_action=action, action_date=now)


def _after(bundle: Bundle, announced: datetime) -> bool:
    """True if the bundle was assigned after the deletion was announced, which prevents the deletion."""
    return bundle.assignment.assigned_at is not None and bundle.assignment.assigned_at > announced


def needs_following(esim: ESIM) -> bool:
    """True if the service polls the provider until the eSIM changes."""
    if esim.status is ESIMStatus.PROCESSING:
        return True
    return esim.auto_activate and esim.status in (ESIMStatus.ASSIGNED, ESIMStatus.SUSPENDED)


def bare_host(address: str) -> str:
    """Return an SM-DP+ address as activation codes hold it: without scheme, path and white space."""
    return SCHEME.sub("", address.strip()).split("/")[0]

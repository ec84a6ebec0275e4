"""Events: what callbacks report about eSIMs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class BundleUse:
    """Remaining data of a bundle in use; bytes are base 10.

    V2 callbacks have no `assignment_id`, so that the bundle is found by name and start, and no `unlimited`.
    """

    assignment_id: str | None
    name: str
    initial_bytes: int | None
    remaining_bytes: int | None
    started_at: datetime | None
    ends_at: datetime | None
    unlimited: bool | None = None
    description: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Activated:
    """The eSIM was seen on a network for the first time."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class CountrySeen:
    """The eSIM is in a country; the callback has no time. `code` is by ISO 3166-1, or empty if unknown."""

    code: str


@dataclass(frozen=True, slots=True)
class DeletionScheduled:
    """The eSIM will be deleted seven days after `at`."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The provider deleted the eSIM."""


@dataclass(frozen=True, slots=True)
class NumberChanged:
    """The phone number was set; empty if it was removed.

    `removed` is the number that was removed, empty if the callback doesn't name it.
    """

    msisdn: str = field(repr=False)
    removed: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """A text message did not reach the eSIM."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class ProfileChanged:
    """The profile on the device has a new status."""

    profile_status: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class CodeAssigned:
    """The eSIM got a new activation code."""

    smdp_address: str
    matching_id: str = field(repr=False)
    at: datetime | None


@dataclass(frozen=True, slots=True)
class BundleActivated:
    """A bundle began; the callback has only its name."""

    name: str
    started_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class BundleExpired:
    """A bundle ended; the callback has only its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A change that only the provider can resolve."""


Change: TypeAlias = (
    BundleUse
    | Activated
    | CountrySeen
    | DeletionScheduled
    | Deleted
    | NumberChanged
    | MessageFailed
    | ProfileChanged
    | CodeAssigned
    | BundleActivated
    | BundleExpired
    | Unclear
)


# Events whose content is also in the provider's list of the eSIM's bundles.
OF_BUNDLES = (BundleUse, BundleActivated, BundleExpired)


@dataclass(frozen=True, slots=True)
class Event:
    """One callback about one eSIM; `repeated` if an earlier one had the same content."""

    id: UUID
    received_at: datetime
    iccid: str
    change: Change
    repeated: bool = False

"""Events: reports of callbacks about eSIMs, as values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class BundleUse:
    """How much is left of a bundle in use; bytes are base 10.

    V2 callbacks report no `assignment_id` (name and start tell which it is) and no `unlimited`.
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
    """First seen on a network."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class CountrySeen:
    """In a country; the callback carries no time of its own."""

    code: str


@dataclass(frozen=True, slots=True)
class DeletionScheduled:
    """Announced to be deleted, seven days after `at`."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """Deleted by the provider for good."""


@dataclass(frozen=True, slots=True)
class NumberChanged:
    """Its phone number; empty if it was removed."""

    msisdn: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """A text message did not reach it."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class ProfileChanged:
    """A new status of the profile on its device."""

    profile_status: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class CodeAssigned:
    """The activation code that installs it."""

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

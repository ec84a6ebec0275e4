"""What callbacks say, as values; those about eSIMs, about orders, and about the balance."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

UNKNOWN = "unknown"


class Owner(StrEnum):
    """The service that an event is handed to."""

    ESIMS = "esims"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class BundleUse:
    """Utilisation and FirstUse. Bytes are base 10.

    In version V2 `assignment_id` is empty and `unlimited` None: not reported.
    """

    assignment_id: str
    name: str
    initial_bytes: int | None
    remaining_bytes: int | None
    start: datetime | None
    end: datetime | None
    unlimited: bool | None
    description: str
    reference: str


@dataclass(frozen=True, slots=True)
class Activated:
    """FirstAttachment and esim.activated."""

    date: datetime | None


@dataclass(frozen=True, slots=True)
class CountrySeen:
    """CountryChange."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class DeletionScheduled:
    """esim.deletion_scheduled: announced on `date`, deleted seven days later."""

    date: datetime | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """esim.deleted."""


@dataclass(frozen=True, slots=True)
class NumberChanged:
    """MSISDNEnabled and MSISDNDisabled."""

    msisdn: str = field(repr=False)
    enabled: bool


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """SMSFailed."""

    date: datetime | None


@dataclass(frozen=True, slots=True)
class ProfileChanged:
    """Profile Status Change."""

    profile_status: str
    date: datetime | None


@dataclass(frozen=True, slots=True)
class CodeAssigned:
    """esim.assigned."""

    activation_code: str = field(repr=False)
    date: datetime | None


@dataclass(frozen=True, slots=True)
class BundleActivated:
    """bundle.activated."""

    name: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class BundleExpired:
    """bundle.expired."""

    name: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """It is about this eSIM, and can't say enough: the provider has to be asked."""


ESIMChange: TypeAlias = (
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


@dataclass(frozen=True, slots=True)
class OrderDelivered:
    """order.completed: ICCIDs, each with its activation code or nothing."""

    reference: str
    esims: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """Topup, AutoTopup, eSIMGoTopup; amounts in the organisation's currency, which isn't told."""

    kind: str
    old_balance: Decimal
    new_balance: Decimal


@dataclass(frozen=True, slots=True)
class BalanceLow:
    """LowBalance and InsufficientBalance."""

    kind: str
    balance: Decimal
    threshold: Decimal


OrderChange: TypeAlias = OrderDelivered | BalanceChanged | BalanceLow


@dataclass(frozen=True, slots=True)
class Understood:
    """A callback read. Without an owner nobody knows what to do with it, and `problem` says why.

    `type` is the vocabulary's own word; `iccid` is None where none is named. `content_digest` is None for
    what is no JSON.
    """

    type: str
    owner: Owner | None = None
    iccid: str | None = None
    change: ESIMChange | OrderChange | None = None
    problem: str = ""
    content_digest: bytes | None = None

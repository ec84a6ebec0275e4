"""Records of the sandbox: eSIMs, assignments, orders, inventory, money, callbacks."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sandbox.state.bundles import Allowance
from sandbox.state.rows import Row

# Percent of the threshold, above every step of the LowBalance callback.
NOTHING_TOLD = 101


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An event of an eSIM, with the provider's text."""

    name: str
    bundle: str
    date: datetime
    alert: str | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A country in which an eSIM registered, and when that was last reported."""

    iso: str
    told_at: datetime


@dataclass(eq=False)
class Esim(Row):
    """One eSIM; `profile` is its operator profile, which bundles must have too."""

    iccid: str
    matching_id: str
    smdp_host: str
    pin: str
    puk: str
    eid: str
    imei: str
    number: str
    profile: str
    branding: str
    assigned_at: datetime
    last_activity: datetime
    profile_status: str = "Released"
    first_installed: datetime | None = None
    customer_ref: str = ""
    state: str = "active"
    policy_suspended: bool = False
    attached_at: datetime | None = None
    country: str | None = None
    last_seen: datetime | None = None
    visits: tuple[Visit, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    assignments: tuple[str, ...] = ()
    delete_at: datetime | None = None


@dataclass(eq=False)
class Assignment(Row):
    """One bundle on one eSIM; quantities in bytes, base 10."""

    id: str
    iccid: str
    bundle: str
    description: str
    reference: str
    price: Decimal
    bought_at: datetime
    lot: int | None
    assigned_at: datetime
    ready_at: datetime
    duration_days: int
    initial: int
    unlimited: bool
    autostart: bool
    countries: tuple[str, ...]
    allowances: tuple[Allowance, ...]
    begins_at: datetime | None = None
    state: str = "processing"
    used: int = 0
    started_at: datetime | None = None
    ends_at: datetime | None = None
    first_used: bool = False

    @property
    def remaining(self) -> int:
        """Remaining bytes; unlimited bundles stay at 0, or at -1 if they started there."""
        return self.initial if self.initial < 0 else max(0, self.initial - self.used)

    @property
    def has_number(self) -> bool:
        """True if it includes voice or SMS."""
        return any(allowance.type in ("VOICE", "SMS") for allowance in self.allowances)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of an order; `asked` are the ICCIDs of the request, `iccids` those of the result.

    Rows other than purchases have their bundle, if any, in `bundle` and another text in `item`.
    """

    item: str
    quantity: int
    price: Decimal
    type: str = "bundle"
    reassign: bool = False
    asked: tuple[str, ...] = ()
    iccids: tuple[str, ...] = ()
    lot: int | None = None
    invoice: str | None = None
    bundle: str = ""
    begins_at: datetime | None = None

    @property
    def total(self) -> Decimal:
        """Price of the whole row."""
        return self.price * self.quantity


@dataclass(eq=False)
class Order(Row):
    """A purchase, an apply or a top-up; `pending_until` is set while it is processed."""

    reference: str
    lines: tuple[Line, ...]
    total: Decimal
    currency: str
    assigned: bool
    status: str
    message: str
    created_at: datetime
    nanoseconds: int
    source_ip: str
    balance_after: Decimal
    branding: str = ""
    pending_until: datetime | None = None


@dataclass(eq=False)
class Lot(Row):
    """Bundles of one name bought together for the inventory; refunds refer to `usage_id`."""

    usage_id: int
    bundle: str
    total: int
    remaining: int
    price: Decimal
    bought_at: datetime
    expires_at: datetime


@dataclass(eq=False)
class LedgerEntry(Row):
    """A change of the balance; `amount` is negative for a charge."""

    sequence: int
    at: datetime
    kind: str
    amount: Decimal
    balance: Decimal
    reference: str


@dataclass(eq=False)
class Delivery(Row):
    """A callback with its delivery status; `body` is sent and signed as it is."""

    sequence: int
    type: str
    iccid: str
    body: str
    created_at: datetime
    status: str = "pending"
    url: str = ""
    attempts: int = 0
    http_status: int | None = None
    error: str = ""


@dataclass(eq=False)
class Account(Row):
    """The organisation's money and callback address."""

    balance: Decimal
    callback_url: str = ""
    callbacks_held: bool = False
    low_balance_told: int = NOTHING_TOLD
    insufficient_told: int = 0


@dataclass(eq=False)
class CatalogueChange(Row):
    """A change of a bundle by the admin API; `shape` is a complete bundle as JSON."""

    name: str
    price: Decimal | None = None
    withdrawn: bool = False
    shape: str = ""

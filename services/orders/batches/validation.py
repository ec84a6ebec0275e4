"""Checks every row of a batch against the catalogue, and computes what the batch would cost. Buys nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.values import money
from services.orders.batches import travelers
from services.orders.batches.batch import ORDER_TIME, BatchRequest, Planned, Problem, Row
from services.orders.batches.members import Buyer
from services.orders.batches.packing import pack
from services.orders.order import MAX_QUANTITY
from services.orders.organizations import purchasing
from services.orders.peers import Catalogue, ESIMs, no_plan
from services.orders.plan import Plan
from services.orders.purchase import quotes
from services.orders.purchase.quotes import Quote

# Calls to the catalogue at a time.
CONCURRENT = 8
# Kinds of failure that say something about one plan; all others concern the whole call.
OF_PLAN = frozenset({Kind.NOT_FOUND, Kind.REFUSED})
ESIM_UNKNOWN = "No eSIM that you may top up has this id; list the eSIMs"
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sold:
    """A plan as it is sold now, and how many of it one order can have."""

    plan: Plan
    most: int


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row with what is wrong with it and what it costs; `quote` is None if its plan is not sold."""

    row: Row
    errors: Sequence[Problem]
    warnings: Sequence[Problem] = ()
    title: str = ""
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order that the batch would place, and what it may cost."""

    planned: Planned
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after its validation; money in units of `currency`, which is empty if no row can be bought."""

    rows: Sequence[CheckedRow]
    orders: Sequence[PlannedOrder]
    currency: str
    problems: Sequence[Problem] = field(default=())

    @property
    def total(self) -> Decimal:
        return sum((order.amount for order in self.orders), NOTHING)

    @property
    def invalid(self) -> int:
        """Number of rows that can't be bought."""
        return sum(bool(row.errors) for row in self.rows)

    @property
    def esims(self) -> int:
        return sum(order.planned.quantity for order in self.orders)


def seconds(orders: int, pause: float) -> float:
    """Return how long that many orders take at least, one after the other."""
    return max(0, orders - 1) * (pause + ORDER_TIME) + min(orders, 1) * ORDER_TIME


class Validation:
    """Validates rows."""

    def __init__(self, database: Database, catalogue: Catalogue, esims: ESIMs) -> None:
        self._database = database
        self._catalogue = catalogue
        self._esims = esims

    async def check(self, request: BatchRequest, buyer: Buyer, token: str) -> Checked:
        """Return each row with its faults, and the orders that would buy those without.

        Raises Failure if the catalogue or the esims service is unavailable, and INVALID (UNKNOWN_CURRENCY)
        or, for an organization, REFUSED (ORGANIZATION_WITHOUT_PRICES).
        """
        currency, paid = buyer.currency, buyer.paid
        sound = [row for row in request.rows if not row.problems]
        with purchasing.priced(buyer.member):
            plans = await self._plans(sound, currency)
        known = await self._known_esims(request, sound, buyer.customer_id, token)
        accounts = await travelers.faults(self._database, request.organization_id, request.rows)
        repeated = _repeated(request.rows)
        rows = [
            _checked(row, plans, known, accounts, repeated.get(row.position), paid=paid)
            for row in request.rows
        ]
        buyable = [one.row for one in rows if not one.errors]
        most = {plan_id: sold.most for plan_id, sold in plans.items() if isinstance(sold, Sold)}
        orders = [
            PlannedOrder(planned, _quote(plans[planned.plan_id], planned.quantity, paid=paid).total)
            for planned in pack(buyable, most)
        ]
        found = {one.quote.currency for one in rows if one.quote is not None}
        checked = Checked(rows, orders, min(found, default=currency))
        return Checked(rows, orders, checked.currency, _of_batch(request, checked))

    async def _plans(self, rows: Sequence[Row], currency: str) -> Mapping[UUID, "Sold | Failure"]:
        """Return each plan, or why it is not sold."""
        wanted: Counter[UUID] = Counter()
        for row in rows:
            if row.plan_id is not None:
                wanted[row.plan_id] += 1 if row.esim_id else row.quantity
        if not wanted:
            return {}
        quoted = await self._catalogue.get_plans(list(wanted), currency)
        gate = asyncio.Semaphore(CONCURRENT)

        async def load(plan_id: UUID) -> "Sold | Failure":
            async def one(quantity: int) -> Plan:
                if quoted is None:
                    return await self._catalogue.get_plan(plan_id, quantity, currency)
                if plan_id not in quoted:
                    raise no_plan()
                return quoted[plan_id].sold(quantity)

            async with gate:
                return await _sold(one, min(wanted[plan_id], MAX_QUANTITY))

        found = await asyncio.gather(*map(load, wanted))
        return dict(zip(wanted, found, strict=True))

    async def _known_esims(
        self, request: BatchRequest, rows: Sequence[Row], customer_id: UUID, token: str
    ) -> frozenset[UUID]:
        """Return which of the eSIMs that rows name may be topped up by this customer or organization."""
        ids = list(dict.fromkeys(row.esim_id for row in rows if row.esim_id is not None))
        if not ids:
            return frozenset()
        return await self._esims.owned(ids, customer_id, request.organization_id, token)


async def _sold(load: Callable[[int], Awaitable[Plan]], quantity: int) -> "Sold | Failure":
    """Return the plan in that quantity, or in a smaller one that can be ordered at once; else the refusal."""
    try:
        return Sold(await load(quantity), MAX_QUANTITY)
    except Failure as failure:
        if failure.kind not in OF_PLAN:
            raise
        available = int(failure.details.get("available_quantity", "0"))
        if not 0 < available < quantity:
            return failure
    try:
        return Sold(await load(available), available)
    except Failure as failure:
        if failure.kind not in OF_PLAN:
            raise
        return failure


def _quote(sold: "Sold | Failure", quantity: int, *, paid: bool) -> Quote:
    if isinstance(sold, Failure):
        raise sold
    found = quotes.quote(sold.plan, quantity)
    return quotes.payable(found) if paid else found


def _checked(
    row: Row,
    plans: Mapping[UUID, "Sold | Failure"],
    esims: frozenset[UUID],
    accounts: Mapping[UUID, Problem],
    repeated: int | None,
    *,
    paid: bool,
) -> CheckedRow:
    warnings = []
    if repeated is not None:
        warnings.append(
            Problem(
                "traveler",
                "TRAVELER_REPEATED",
                f"The same traveler is in row {repeated}: remove this row unless both are wanted",
            )
        )
    errors = list(row.problems)
    sold = plans.get(row.plan_id) if row.plan_id is not None else None
    title, quote = "", None
    if isinstance(sold, Failure):
        errors.append(Problem("plan_id", sold.reason, sold.message))
    elif sold is not None:
        title = sold.plan.sold.title if sold.plan.sold else sold.plan.bundle_name
        quote = _quote(sold, row.quantity or 1, paid=paid)
        if row.quantity > sold.most:
            errors.append(
                Problem(
                    "quantity",
                    "PLAN_UNAVAILABLE",
                    f"Only {sold.most} of this plan can be ordered at once: use several rows",
                )
            )
    if row.esim_id is not None and not row.problems and row.esim_id not in esims:
        errors.append(Problem("esim_id", "ESIM_NOT_FOUND", ESIM_UNKNOWN))
    account = row.traveler.user_id if row.traveler is not None else None
    if account is not None and account in accounts:
        errors.append(accounts[account])
    return CheckedRow(row, errors, warnings, title, quote)


def _repeated(rows: Sequence[Row]) -> dict[int, int]:
    """Return for each row whose traveler an earlier row has, the position of the first one."""
    first: dict[tuple[str, str], int] = {}
    found = {}
    for row in rows:
        if row.traveler is None:
            continue
        email, name = row.traveler.email.casefold(), row.traveler.name.casefold()
        key = ("email", email) if email else ("name", name)
        if key in first:
            found[row.position] = first[key]
        else:
            first[key] = row.position
    return found


def _of_batch(request: BatchRequest, checked: Checked) -> list[Problem]:
    """Return what is wrong with the batch as a whole, except for its budgets."""
    if not checked.orders:
        return [Problem("items", "BATCH_INVALID", "No row can be bought: correct the rows")]
    problems = []
    if request.max_total is not None:
        problems += _above(request.max_total, request.max_currency, checked)
    return problems


def _above(most: Decimal, currency: str, checked: Checked) -> list[Problem]:
    if currency not in ("", checked.currency):
        return [Problem("max_total", "INVALID", f"must be in {checked.currency}")]
    if checked.total <= most:
        return []
    total, limit = money.plain(checked.total), money.plain(most)
    return [
        Problem(
            "max_total",
            "MAX_TOTAL_EXCEEDED",
            f"The batch costs {total:f} {checked.currency}, and max_total is {limit:f}: raise it, or"
            " remove rows",
        )
    ]

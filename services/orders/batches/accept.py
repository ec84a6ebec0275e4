"""Validates and accepts batches: records them with their planned orders and reserved budgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.values import money
from services.orders.batches import find, read_store, store
from services.orders.batches.batch import Batch, BatchRequest, ErrorPolicy, Problem
from services.orders.batches.members import NOT_PAYABLE, Buyer, Buyers
from services.orders.batches.validation import Checked, Validation
from services.orders.budgets import reserve as budgets
from services.orders.budgets import store as budget_store
from services.orders.budgets.budget import Budget

# Rows that the message of a refusal names.
MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class Validated:
    """A batch after its validation, with the budgets that it would use and how much each would have left."""

    checked: Checked
    problems: Sequence[Problem]
    budgets: Sequence[tuple[Budget, Decimal | None]] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The batch of a request; `repeated` is true if an earlier call created it."""

    batch: Batch
    repeated: bool


class Acceptance:
    """Validates and accepts batches."""

    def __init__(self, database: Database, validation: Validation, buyers: Buyers) -> None:
        self._database = database
        self._validation = validation
        self._buyers = buyers

    async def validate(
        self, session: Session, customer_id: UUID, request: BatchRequest
    ) -> Validated:
        """Return the faults of all rows and of the batch; records nothing.

        Raises Failure as `Validation.check` and `Buyers.of` do.
        """
        buyer = await self._buyers.of(session, customer_id, request)
        checked = await self._validation.check(request, buyer, session.token)
        problems = list(checked.problems)
        if request.policy is ErrorPolicy.REJECT_ALL and checked.invalid and checked.orders:
            problems.append(
                Problem("items", "BATCH_INVALID", "REJECT_ALL refuses the batch: correct the rows")
            )
        if not buyer.payable:
            problems.append(NOT_PAYABLE)
        found = await self._left(buyer, request, checked.total)
        problems += [
            Problem("", "BUDGET_EXCEEDED", _exceeded(budget, left))
            for budget, left in found
            if left is not None and left < 0
        ]
        return Validated(checked, problems, found)

    async def create(
        self, session: Session, customer_id: UUID, request: BatchRequest, key: str
    ) -> Accepted:
        """Record a batch, or return the one of an earlier call with the same key.

        Raises Failure CONFLICT (IDEMPOTENCY_CONFLICT, or BATCH_EXISTS for a batch that the caller can't see),
        and REFUSED with BATCH_INVALID, MAX_TOTAL_EXCEEDED, BUDGET_EXCEEDED, BATCH_NOT_PAYABLE or
        ORGANIZATION_SUSPENDED: then nothing was recorded.
        """
        earlier = await self._earlier(session, customer_id, request, key)
        if earlier is not None:
            return earlier
        buyer = await self._buyers.of(session, customer_id, request)
        # Before the validation, which may refuse now what another member could buy then.
        earlier = await self._taken(session, customer_id, request, key)
        if earlier is not None:
            return earlier
        buyer.require_payable()
        checked = await self._validation.check(request, buyer, session.token)
        check_sound(request, checked)
        batch_id = await self._record(buyer, request, checked, key)
        if batch_id is not None:
            return Accepted(await find.one(self._database, session, batch_id), repeated=False)
        # Another call with the same key came first.
        earlier = await self._taken(session, customer_id, request, key)
        if earlier is None:
            raise _conflict({})
        return earlier

    async def _record(
        self, buyer: Buyer, request: BatchRequest, checked: Checked, key: str
    ) -> UUID | None:
        """Record the batch with all of its reservations in one transaction; None if the key is taken."""
        async with self._database.system() as connection:
            member = await self._buyers.locked(connection, buyer, request)
            batch_id = await store.create(
                connection, request, buyer.customer_id, key, checked.currency
            )
            if batch_id is None:
                return None
            planned = await store.plan(connection, batch_id, checked.orders)
            await store.add_items(connection, batch_id, checked, list(planned))
            if member is not None:
                await budgets.reserve_all(
                    connection, member, request.group_id, buyer.customer_id, planned
                )
        return batch_id

    async def _left(
        self, buyer: Buyer, request: BatchRequest, total: Decimal
    ) -> list[tuple[Budget, Decimal | None]]:
        """Return the budgets that apply, and what each would have left after the batch."""
        if buyer.member is None:
            return []
        groups = [] if request.group_id is None else [request.group_id]
        async with self._database.system() as connection:
            found = await budget_store.list_applying(
                connection, buyer.member.organization_id, buyer.customer_id, groups
            )
        return [
            (b, None if b.amount is None else b.amount - b.spent - b.reserved - total)
            for b in found
        ]

    async def _earlier(
        self, session: Session, customer_id: UUID, request: BatchRequest, key: str
    ) -> Accepted | None:
        async with self._database.session(session) as connection:
            found = await read_store.find_by_key(
                connection, request.organization_id or customer_id, key
            )
        if found is None:
            return None
        if found.fingerprint != request.fingerprint:
            raise _conflict({"batch_id": str(found.id)})
        return Accepted(await find.one(self._database, session, found.id), repeated=True)

    async def _taken(
        self, session: Session, customer_id: UUID, request: BatchRequest, key: str
    ) -> Accepted | None:
        """Return the batch with that key; raises Failure CONFLICT if the caller can't see it.

        The caller must be known to buy for the organization. Buyers don't see the batches of other members.
        """
        async with self._database.system() as connection:
            found = await read_store.find_by_key(
                connection, request.organization_id or customer_id, key
            )
        if found is None:
            return None
        # Another call of the caller may have recorded it a moment ago.
        earlier = await self._earlier(session, customer_id, request, key)
        if earlier is not None:
            return earlier
        if found.fingerprint != request.fingerprint:
            raise _conflict({})
        raise Failure(
            Kind.CONFLICT,
            "BATCH_EXISTS",
            "Another member has bought this batch already, with the same idempotency key; nothing was bought"
            " now. That member can see it, and so can the owners and managers of the organization: ask them",
        )


def check_sound(request: BatchRequest, checked: Checked) -> None:
    """Raise Failure REFUSED if the policy refuses faulty rows, or the batch itself is faulty."""
    faulty = {
        f"items[{row.row.position - 1}]": "; ".join(problem.named for problem in row.errors)
        for row in checked.rows
        if row.errors
    }
    if faulty and (request.policy is ErrorPolicy.REJECT_ALL or not checked.orders):
        named = ", ".join(str(row.row.position) for row in checked.rows if row.errors)
        named = named if len(faulty) <= MAX_NAMED else f"{len(faulty)} of {len(checked.rows)}"
        raise Failure(
            Kind.REFUSED,
            "BATCH_INVALID",
            f"Nothing was bought, as these rows can't be bought: {named}. Correct them, or use the policy"
            " SKIP_FAILED to buy the others",
            fields=faulty,
        )
    for problem in checked.problems:
        raise Failure(Kind.REFUSED, problem.code, problem.named)


def _conflict(details: dict[str, str]) -> Failure:
    return Failure(
        Kind.CONFLICT,
        "IDEMPOTENCY_CONFLICT",
        "This idempotency key was used for another batch; use a new key for a new batch",
        details=details,
    )


def _exceeded(budget: Budget, left: Decimal) -> str:
    lack = money.plain(-left)
    return (
        f"A budget of scope {budget.target.scope} lacks {lack:f} {budget.currency} for this batch: remove"
        " rows, or ask an owner or manager to raise it"
    )

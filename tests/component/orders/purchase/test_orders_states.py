"""Every order event in any order: legal transitions work, and no statement makes an illegal one."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from tests.fixtures.postgres import Databases

STATUSES = ("PROCESSING", "NEEDS_REVIEW", "COMPLETED", "FAILED", "CANCELLED", "REFUNDED")
POINTS = ("CLAIMED", "ATTEMPTED", "PLACED", "REGISTERED")
OUTCOMES = ("OPEN", "PLACED", "REFUSED", "NOT_SENT", "UNCLEAR", "ABSENT")
OPEN = ("PROCESSING", "NEEDS_REVIEW")
STATUS_STEPS = {
    ("PROCESSING", "NEEDS_REVIEW"),
    ("PROCESSING", "COMPLETED"),
    ("PROCESSING", "FAILED"),
    ("NEEDS_REVIEW", "PROCESSING"),
    ("NEEDS_REVIEW", "COMPLETED"),
    ("NEEDS_REVIEW", "FAILED"),
    ("COMPLETED", "CANCELLED"),
    ("COMPLETED", "REFUNDED"),
}
POINT_STEPS = {
    ("CLAIMED", "ATTEMPTED"),
    ("ATTEMPTED", "CLAIMED"),
    ("ATTEMPTED", "PLACED"),
    ("PLACED", "REGISTERED"),
}
OUTCOME_STEPS = {("OPEN", o) for o in OUTCOMES} | {("UNCLEAR", "PLACED"), ("UNCLEAR", "ABSENT")}
MAY_HAVE_BOUGHT = ("OPEN", "UNCLEAR", "PLACED")
REFUSED = (asyncpg.CheckViolationError, asyncpg.UniqueViolationError)


class Row(RuleBasedStateMachine):
    """One order's row beside an independent model of it."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    connection: Any
    references: Iterator[int]

    def __init__(self) -> None:
        super().__init__()
        self.id: UUID = self.run(
            self.connection.fetchval(
                "insert into orders.esim_orders (customer_id, plan_id, bundle_name, quantity,"
                " unit_price, total_price, currency)"
                " values (gen_random_uuid(), gen_random_uuid(), 'b', 1, 1, 1, 'USD') returning id"
            )
        )
        self.status, self.point, self.reference = "PROCESSING", "CLAIMED", ""
        self.attempts: dict[UUID, str] = {}

    def write(self, statement: str, *values: Any, legal: bool) -> Any:
        """Execute the statement and expect the outcome that the model predicts."""
        if legal:
            return self.run(self.connection.fetchval(statement, *values))
        with pytest.raises(REFUSED):
            self.run(self.connection.fetchval(statement, *values))
        return None

    @rule(status=st.sampled_from(STATUSES), point=st.sampled_from(POINTS))
    def step(self, status: str, point: str) -> None:
        moves = status == self.status or (self.status, status) in STATUS_STEPS
        goes = point == self.point or (self.status in OPEN and (self.point, point) in POINT_STEPS)
        paid = point in ("PLACED", "REGISTERED")
        fits = (
            (self.reference != "" or not paid)
            and (status not in ("COMPLETED", "CANCELLED", "REFUNDED") or point == "REGISTERED")
            and (status != "FAILED" or self.reference == "")
            and not (status == "FAILED" != self.status and self.point == "REGISTERED")
        )
        self.write(
            "update orders.esim_orders set status = $2, recovery_point = $3 where id = $1",
            self.id,
            status,
            point,
            legal=moves and goes and fits,
        )
        if moves and goes and fits:
            self.status, self.point = status, point

    @rule()
    def place(self) -> None:
        """A reference is set once, and never on a failed order."""
        reference = f"reference-{next(self.references)}"
        legal = self.reference == "" and self.status != "FAILED"
        self.write(
            "update orders.esim_orders set provider_reference = $2 where id = $1",
            self.id,
            reference,
            legal=legal,
        )
        if legal:
            self.reference = reference

    @rule()
    def attempt(self) -> None:
        """No second attempt after one bought or may have bought."""
        legal = not any(outcome in MAY_HAVE_BOUGHT for outcome in self.attempts.values())
        made = self.write(
            "insert into orders.order_attempts (order_id, bundle_name, quantity)"
            " values ($1, 'b', 1) returning id",
            self.id,
            legal=legal,
        )
        if legal:
            self.attempts[made] = "OPEN"

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def end(self, data: st.DataObject, outcome: str) -> None:
        # In order of creation: the ids differ between replays.
        which = data.draw(st.sampled_from(list(self.attempts)))
        was = self.attempts[which]
        others = [o for i, o in self.attempts.items() if i != which]
        alone = outcome not in MAY_HAVE_BOUGHT or not any(o in MAY_HAVE_BOUGHT for o in others)
        legal = (was == outcome or (was, outcome) in OUTCOME_STEPS) and alone
        self.write(
            "update orders.order_attempts set outcome = $2,"
            " ended_at = case when $2 = 'OPEN' then null else now() end where id = $1",
            which,
            outcome,
            legal=legal,
        )
        if legal:
            self.attempts[which] = outcome

    @rule()
    def change_what_it_is_for(self) -> None:
        for change in ("quantity = 2", "bundle_name = 'c'", "customer_id = gen_random_uuid()"):
            self.write(
                f"update orders.esim_orders set {change} where id = $1",  # noqa: S608 - the words above
                self.id,
                legal=False,
            )

    @invariant()
    def the_row_is_as_the_model_says(self) -> None:
        row = self.run(
            self.connection.fetchrow(
                "select status, recovery_point, provider_reference from orders.esim_orders"
                " where id = $1",
                self.id,
            )
        )
        assert tuple(row) == (self.status, self.point, self.reference or None)
        if self.status == "COMPLETED":
            assert (self.point, self.reference != "") == ("REGISTERED", True)


async def test_no_sequence_of_events_makes_an_illegal_transition(databases: Databases) -> None:
    loop = asyncio.get_running_loop()

    def play() -> None:
        class Playing(Row):
            connection = databases.admin
            references = iter(range(10**6))

            def run(self, work: Coroutine[Any, Any, Any]) -> Any:
                return asyncio.run_coroutine_threadsafe(work, loop).result()

        run_machine(
            Playing,
            settings=settings(
                max_examples=60, stateful_step_count=30, suppress_health_check=list(HealthCheck)
            ),
        )

    await asyncio.to_thread(play)

"""Payments and credit notes: each once, never more than the statement is for, also at the same time."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import grpc
import pytest

from kit.rpc.errors import from_error
from kit.values import money
from protos.orders.v1 import statements_pb2 as pb
from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import (
    EACH,
    OnAccount,
    next_month,
    on_account,
    refused,
)


def left(statement: pb.Statement) -> Any:
    return money.from_proto(statement.left)


async def issued(found: OnAccount) -> pb.Statement:
    await found.bought("one")
    [statement] = await found.issue(next_month())
    return statement


async def reason(call: Any) -> str:
    """Return why a call fails, or the empty string."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_error(error).reason
    return ""


async def test_a_statement_is_paid_in_parts(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        part = await found.pay(statement, 100, note="first half")
        assert (left(part), part.status) == (EACH - 100, pb.STATEMENT_STATUS_OPEN)
        [settlement] = part.settlements
        assert (settlement.kind, settlement.note) == ("PAYMENT", "first half")
        assert settlement.actor == "service"
        assert await found.credit() == (0, EACH - 100)
        assert await found.ledger() == EACH - 100
        paid = await found.pay(statement, EACH - 100, key="rest")
        assert (left(paid), paid.status) == (0, pb.STATEMENT_STATUS_PAID)
        assert await found.credit() == (0, 0)
        failure = await refused(found.pay(statement, 1, key="more"))
        assert failure.reason == "STATEMENT_PAID"
        assert statement.number in failure.message
        [seen] = await found.listed()
        assert [one.actor for one in seen.settlements] == ["", ""], "members don't see the staff"
        clearing = await found.admin.fetchval(
            "select sum(amount) from orders.ledger_entries where account = 'clearing:manual'"
        )
        assert clearing == EACH
        assert await found.differences() == set()


async def test_a_paid_statement_frees_the_credit(shop: Shop) -> None:
    async with on_account(shop, EACH) as found:
        statement = await issued(found)
        assert (await refused(found.buy("two"))).reason == "CREDIT_EXCEEDED"
        await found.pay(statement, EACH)
        await found.bought("two")
        assert await found.credit() == (0, EACH)


async def test_more_than_is_left_is_refused(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        failure = await refused(found.pay(statement, EACH + Decimal("0.01")))
        assert failure.reason == "AMOUNT_ABOVE_DUE"
        assert failure.details == {"left": "310.05", "currency": "USD"}
        assert await found.credit() == (0, EACH)


async def test_payments_at_once_never_exceed_what_is_left(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        reasons = await asyncio.gather(
            *(reason(found.pay(statement, 100, key=f"k{n}")) for n in range(12))
        )
        assert Counter(reasons) == {"": 3, "AMOUNT_ABOVE_DUE": 9}
        assert await found.credit() == (0, Decimal("10.05"))
        assert await found.differences() == set()


async def test_the_same_payment_twice_counts_once(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        await asyncio.gather(*(found.pay(statement, 100, key="same") for _ in range(8)))
        assert await found.credit() == (0, EACH - 100)
        changes: tuple[dict[str, Any], ...] = ({"note": "other"}, {"paid_on": "2025-01-02"})
        for changed in changes:
            failure = await refused(found.pay(statement, 100, key="same", **changed))
            assert failure.reason == "IDEMPOTENCY_CONFLICT"
        assert (
            await refused(found.pay(statement, 99, key="same"))
        ).reason == "IDEMPOTENCY_CONFLICT"
        failure = await refused(found.give_credit(statement, 100, key="same"))
        assert failure.reason == "IDEMPOTENCY_CONFLICT"
        assert await found.ledger() == EACH - 100


async def test_a_credit_note_corrects_an_open_statement(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        corrected = await found.give_credit(statement, 60, note="wrong price")
        assert left(corrected) == EACH - 60
        assert corrected.total == statement.total, "it never changes itself"
        [note] = corrected.settlements
        assert (note.number, note.kind, note.note) == ("CN-000001", "CREDIT_NOTE", "wrong price")
        assert await found.credit() == (0, EACH - 60)
        assert await found.ledger() == EACH - 60
        failure = await refused(found.give_credit(statement, EACH, key="too-much"))
        assert failure.reason == "CREDIT_ABOVE_TOTAL"
        assert failure.details["left"] == "250.05"
        assert await found.differences() == set()


async def test_credit_notes_at_once_have_numbers_without_gaps(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        reasons = await asyncio.gather(
            *(reason(found.give_credit(statement, 50, key=f"k{n}")) for n in range(10))
        )
        assert Counter(reasons) == {"": 6, "CREDIT_ABOVE_TOTAL": 4}
        [seen] = await found.listed()
        numbers = [one.number for one in seen.settlements]
        assert sorted(numbers) == [f"CN-{n:06d}" for n in range(1, 7)]
        assert await found.differences() == set()


async def test_a_credit_for_a_paid_statement_is_taken_off_another(shop: Shop) -> None:
    async with on_account(shop) as found:
        first = await issued(found)
        await found.pay(first, EACH)
        await found.bought("two")
        second, first = await found.issue(next_month(next_month()))
        credited = await found.give_credit(first, 40)
        assert left(credited) == 0
        assert [one.kind for one in credited.settlements] == ["PAYMENT", "CREDIT_NOTE", "CARRIED"]
        second, _ = await found.listed()
        assert left(second) == EACH - 40
        assert await found.credit() == (0, EACH - 40)
        assert await found.differences() == set()


async def test_a_statement_is_due_after_its_day(shop: Shop) -> None:
    async with on_account(shop) as found:
        await issued(found)
        await found.admin.execute("alter table orders.statements disable trigger refuse_change")
        await found.admin.execute("set role none")
        await found.admin.execute("set session_replication_role = replica")
        today = "(now() at time zone time_zone)::date"
        for due, status in (
            (today, pb.STATEMENT_STATUS_OPEN),
            (f"{today} - 1", pb.STATEMENT_STATUS_DUE),
        ):
            await found.admin.execute(f"update orders.statements set due_on = {due}")  # noqa: S608
            [statement] = await found.listed()
            assert statement.status == status
        await found.pay(statement, EACH)
        [statement] = await found.listed()
        assert statement.status == pb.STATEMENT_STATUS_PAID


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": money.to_proto(Decimal(1), "EUR")}, "amount"),
        ({"amount": money.to_proto(Decimal("0.001"), "USD")}, "amount"),
        ({"amount": money.to_proto(Decimal(-5), "USD")}, "amount"),
        ({"amount": None}, "amount"),
        ({"paid_on": "30.11.2025"}, "paid_on"),
        ({"paid_on": "2025-02-30"}, "paid_on"),
        ({"paid_on": "0001-01-01"}, "paid_on"),
        ({"paid_on": ""}, "paid_on"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "a b"}, "idempotency_key"),
        ({"note": "x" * 501}, "note"),
        ({"note": "bell\x07"}, "note"),
        ({"statement_id": "1"}, "statement_id"),
    ],
)
async def test_bad_payments_name_their_field(
    shop: Shop, changes: dict[str, Any], field: str
) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        failure = await refused(found.pay(statement, **({"amount": 1} | changes)))
        assert failure.reason == "INVALID_ARGUMENT"
        assert list(failure.fields) == [field]
        assert await found.credit() == (0, EACH)


async def test_a_payment_arrives_on_the_day_of_its_bank(shop: Shop) -> None:
    """Where the organization is, that day may begin only later."""
    async with on_account(shop, time_zone="Etc/GMT+12") as found:
        await found.bought("one")
        [statement] = await found.issue(next_month() + timedelta(days=1))
        day = datetime.now(ZoneInfo("Pacific/Kiritimati")).date().isoformat()
        paid = await found.pay(statement, 1, paid_on=day)
        assert [one.paid_on for one in paid.settlements] == [day]


async def test_a_payment_is_not_in_the_future_and_its_statement_exists(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
        failure = await refused(found.pay(statement, 1, paid_on=tomorrow))
        assert list(failure.fields) == ["paid_on"]
        unknown = str(UUID(int=7))
        failure = await refused(found.pay(statement, 1, statement_id=unknown))
        assert failure.reason == "STATEMENT_NOT_FOUND"
        failure = await refused(found.give_credit(statement, 1, note=" "))
        assert list(failure.fields) == ["note"]
        failure = await refused(found.give_credit(statement, 1, statement_id=unknown))
        assert failure.reason == "STATEMENT_NOT_FOUND"


async def test_the_database_refuses_what_the_service_would(shop: Shop) -> None:
    async with on_account(shop) as found:
        statement = await issued(found)
        insert = (
            "insert into orders.statement_settlements (statement_id, kind, amount, key, paid_on, actor)"
            " values ($1, $2, $3, 'x', $4, 'test')"
        )
        day = datetime.now(UTC).date()
        for kind, amount, paid_on in (
            ("PAYMENT", EACH + 1, day),
            ("PAYMENT", Decimal("0.001"), day),
            ("CREDIT_NOTE", EACH + 1, None),
        ):
            with pytest.raises(Exception, match="left"):
                await found.admin.execute(insert, UUID(statement.id), kind, amount, paid_on)
        assert await found.credit() == (0, EACH)

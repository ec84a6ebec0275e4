"""The finance staff issues the statement of the current month, such as for an organization that leaves."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kit.errors import Failure
from kit.values import money, timestamps
from protos.orders.v1 import statements_pb2 as pb
from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import EACH, next_month, on_account, refused


async def test_the_rest_of_the_month_is_on_the_next_statement(shop: Shop) -> None:
    async with on_account(shop, time_zone="Europe/Berlin") as found:
        assert (await refused(found.bill())).reason == "NOTHING_TO_BILL"
        await found.bought("one")
        first = await found.bill()
        assert money.from_proto(first.total) == EACH
        assert timestamps.from_proto(first.ends_at) <= datetime.now(UTC)
        failure = await refused(found.bill())
        assert failure.reason == "NOTHING_TO_BILL"
        assert "on a statement already" in failure.message
        await found.bought("two")
        failure = await refused(found.bill())
        assert failure.reason == "NOTHING_TO_BILL"
        assert "on the next one" in failure.message
        assert await found.listed() == [first]
        after = next_month(next_month())
        second, again = await found.issue(after)
        assert again == first
        assert money.from_proto(second.total) == EACH
        assert second.month > first.month
        assert await found.differences() == set()


async def test_months_that_are_over_come_first(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        await found.post(order, datetime(2025, 2, 3, tzinfo=UTC), 5)
        await found.post(order, datetime(2025, 4, 3, tzinfo=UTC), 7)
        last = await found.bill()
        issued = await found.listed()
        assert issued[0] == last
        assert [money.from_proto(one.total) for one in issued] == [EACH, 7, 5]
        assert [one.number for one in issued] == ["ST-000003", "ST-000002", "ST-000001"]


async def test_what_came_later_by_the_database_s_clock_is_not_billed(shop: Shop) -> None:
    """The clock of the process may be behind."""
    async with on_account(shop) as found:
        order = await found.bought("one")
        await found.bill()
        after = next_month() + timedelta(hours=2)
        await found.post(order, after, 5)
        async with found.issuing(after - timedelta(hours=1)) as statements:
            with pytest.raises(Failure, match="on the next one"):
                await statements.close(UUID(found.acme.id), "test")


async def test_two_at_once_issue_one(shop: Shop) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        done = await asyncio.gather(*(found.bill() for _ in range(6)), return_exceptions=True)
        assert sum(isinstance(one, pb.Statement) for one in done) == 1
        assert len(await found.listed()) == 1
        assert await found.differences() == set()


async def test_only_the_finance_staff_may(shop: Shop) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        wanted = pb.IssueStatementRequest(organization_id=found.acme.id)
        failure = await refused(found.statements.IssueStatement(wanted, metadata=found.owner))
        assert failure.reason == "FORBIDDEN"
        unknown = pb.IssueStatementRequest(organization_id=order_like())
        call = found.statements.IssueStatement(unknown, metadata=shop.service_key)
        assert (await refused(call)).reason == "ORGANIZATION_NOT_FOUND"


def order_like() -> str:
    """Return an id that no organization has."""
    return "00000000-0000-4000-8000-000000000001"

"""Who sees statements, and that they never change."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from kit.values import money
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import statements_pb2 as pb
from tests.component.orders.shop import Shop
from tests.component.orders.statements.on_account import (
    EACH,
    OnAccount,
    next_month,
    on_account,
    refused,
    usd,
)
from tests.fixtures.organizations import create_organization


def total(statement: pb.Statement) -> Any:
    return money.from_proto(statement.total)


async def numbers(found: OnAccount) -> list[int]:
    rows = await found.admin.fetch("select n from orders.statements order by n")
    return [row["n"] for row in rows]


IMMUTABLE = (
    "update orders.statements set total = 1",
    "delete from orders.statements",
    "update orders.statement_lines set amount = 1",
    "update orders.statement_lines set description = 'other'",
    "delete from orders.statement_lines",
    "update orders.statement_settlements set amount = 1",
    "delete from orders.statement_settlements",
)


@pytest.mark.parametrize("change", IMMUTABLE)
async def test_statements_never_change(shop: Shop, change: str) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        [statement] = await found.issue(next_month())
        await found.pay(statement, 1)
        with pytest.raises(Exception, match=r"never change|permission denied"):
            await found.admin.execute(change)
        [after] = await found.listed()
        assert total(after) == EACH


async def test_a_statement_that_differs_from_its_lines_is_impossible(shop: Shop) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        [statement] = await found.issue(next_month())
        copy = (
            "insert into orders.statements (organization_id, month, starts_at, ends_at, time_zone, currency,"
            " total, tax, due_on, name, billing_address, country, tax_id, locale, issuer, payable_to)"
            " select organization_id, '2020-01-01', starts_at, ends_at, time_zone, currency, total, tax,"
            " due_on, name, billing_address, country, tax_id, locale, issuer, payable_to"
            " from orders.statements where id = $1"
        )
        with pytest.raises(Exception, match="differs from its lines"):
            await found.admin.execute(copy, UUID(statement.id))
        assert await numbers(found) == [1]
        await found.bought("two")
        second, _ = await found.issue(next_month(next_month()))
        assert second.number == "ST-000002", "the number of what was rolled back is used again"


async def test_pages(shop: Shop) -> None:
    async with on_account(shop) as found:
        order = await found.bought("one")
        for month in range(1, 6):
            await found.post(order, datetime(2025, month, 5, tzinfo=UTC), month)
        everything = await found.issue(next_month())
        seen: list[Any] = []
        request = pb.ListStatementsRequest(organization_id=found.acme.id, page_size=2)
        while True:
            page = await found.statements.ListStatements(request, metadata=found.owner)
            seen += page.statements
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert seen == everything
        await found.pay(everything[-1], 1)
        unpaid = await found.listed(unpaid_only=True)
        assert [one.id for one in unpaid] == [one.id for one in everything[:-1]]
        last = await found.listed(who=shop.service_key, unpaid_only=True)
        assert len(last) == 5
        first_page = await found.statements.ListStatementLines(
            pb.ListStatementLinesRequest(statement_id=everything[0].id, page_size=1),
            metadata=found.owner,
        )
        assert not first_page.next_page_token


async def test_who_sees_statements(shop: Shop) -> None:
    async with on_account(shop) as found:
        await found.bought("one")
        [statement] = await found.issue(next_month())
        other = await create_organization(shop.auth, found.channel, "Other", currency="USD")
        staff = await shop.session("fin@shop.example.com", role="finance")
        support = await shop.session("sup@shop.example.com", role="support")
        calls: dict[str, Any] = {
            "account": lambda who: found.statements.GetCreditAccount(
                pb.GetCreditAccountRequest(organization_id=found.acme.id), metadata=who
            ),
            "list": lambda who: found.statements.ListStatements(
                pb.ListStatementsRequest(organization_id=found.acme.id), metadata=who
            ),
            "get": lambda who: found.statements.GetStatement(
                pb.GetStatementRequest(statement_id=statement.id), metadata=who
            ),
            "lines": lambda who: found.statements.ListStatementLines(
                pb.ListStatementLinesRequest(statement_id=statement.id), metadata=who
            ),
        }
        acme = found.acme
        for call in calls.values():
            for allowed in (acme.owner, acme.manager, acme.finance):
                await call(allowed.metadata)
            await call(staff)
            await call(shop.service_key)
            for member in (acme.buyer, acme.traveler):
                assert (await refused(call(member.metadata))).reason == "MEMBER_ROLE_INSUFFICIENT"
            for stranger in (*other.members.values(),):
                failure = await refused(call(stranger.metadata))
                assert failure.reason in ("ORGANIZATION_NOT_FOUND", "STATEMENT_NOT_FOUND")
            assert (await refused(call(support))).kind == "not_found"
        everything = pb.ListStatementsRequest()
        answer = await found.statements.ListStatements(everything, metadata=staff)
        assert len(answer.statements) == 1
        failure = await refused(
            found.statements.ListStatements(everything, metadata=acme.owner.metadata)
        )
        assert failure.reason == "FINANCE_ONLY"
        paying = pb.RecordStatementPaymentRequest(
            statement_id=statement.id,
            amount=usd(1),
            paid_on="2026-01-01",
            idempotency_key="k",
        )
        for who in (acme.owner.metadata, support):
            failure = await refused(found.statements.RecordStatementPayment(paying, metadata=who))
            assert failure.reason == "FORBIDDEN"
        assert (await found.listed())[0].settlements == []


async def test_erasing_a_buyer_leaves_only_amounts_in_the_lines(shop: Shop) -> None:
    """On statements that were issued before, and on those that come after."""
    async with on_account(shop) as found:
        before = await found.bought("one", customer_reference="for Ann")
        [statement] = await found.issue(next_month())
        [line] = await found.lines(statement)
        assert (line.reference, bool(line.description)) == ("for Ann", True)
        after = await found.bought("two", customer_reference="for Ann again")
        kept = await found.bought("three", who=found.acme.owner, customer_reference="for Bob")
        customer = str(found.acme.buyer.user_id)
        request = orders_pb2.ExportCustomerRequest(customer_id=customer)
        exported = [
            json.loads(row.row_json)
            async for row in found.orders.ExportCustomer(request, metadata=shop.service_key)
            if row.table == "statement_lines"
        ]
        assert [one["reference"] for one in exported] == ["for Ann"]
        await found.orders.EraseCustomer(
            orders_pb2.EraseCustomerRequest(customer_id=customer), metadata=shop.service_key
        )
        [same] = await found.listed()
        assert same == statement, "its totals are the same"
        later = await found.issue(next_month(next_month()))
        lines = [line for one in later for line in await found.lines(one)]
        known = {one.order_id: (one.reference, one.description, one.group_name) for one in lines}
        assert known[before.id] == known[after.id] == ("", "", "")
        assert known[kept.id][0] == "for Bob"
        assert [money.from_proto(one.amount) for one in lines] == [EACH] * 3
        stored = await found.admin.fetchval(
            "select count(*) from orders.statement_lines where customer_id = $1",
            found.acme.buyer.user_id,
        )
        assert stored == 0
        assert await found.differences() == set()

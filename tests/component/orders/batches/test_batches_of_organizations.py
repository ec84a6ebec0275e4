"""Batches of organizations: who sees them, what they take from budgets and wallets, and when they wait."""

import asyncio
from decimal import Decimal
from typing import Any

import grpc

from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import budgets_pb2, budgets_pb2_grpc, organizations_pb2
from services.orders.organizations.membership import MemberRole
from tests.component.orders.batches.buying_many import Bulk, refusal
from tests.component.orders.batches.companies import company, pay_in
from tests.component.orders.shop import Metadata, Shop
from tests.fixtures.organizations import add_member
from tests.fixtures.rpc.refusals import failure_of, reason_of

WAITING = pb.BATCH_STATUS_WAITING_FOR_BALANCE
RESERVED = (
    "select coalesce(sum(amount), 0) from orders.budget_reservations where state = 'RESERVED'"
)


async def budget(many: Bulk, amount: Any) -> budgets_pb2.Budget:
    """Set a budget for the organization."""
    assert many.organization is not None
    stub = budgets_pb2_grpc.BudgetsServiceStub(many.channel)
    request = budgets_pb2.SetBudgetRequest(
        organization_id=many.organization.id,
        scope=budgets_pb2.BUDGET_SCOPE_ORGANIZATION,
        period=budgets_pb2.BUDGET_PERIOD_NONE,
        amount=money.to_proto(Decimal(amount), "USD"),
    )
    answer = await stub.SetBudget(request, metadata=many.organization.owner.metadata)
    return answer.budget


async def taken(many: Bulk) -> tuple[Any, Any]:
    """Return what the budget of the organization has spent, and what is reserved."""
    assert many.organization is not None
    stub = budgets_pb2_grpc.BudgetsServiceStub(many.channel)
    answer = await stub.ListBudgets(
        budgets_pb2.ListBudgetsRequest(organization_id=many.organization.id),
        metadata=many.organization.owner.metadata,
    )
    [found] = answer.budgets
    return money.from_proto(found.spent), money.from_proto(found.reserved)


async def test_a_batch_reserves_its_budget_at_once_and_spends_it_with_its_orders(
    shop: Shop,
) -> None:
    async with company(shop) as many:
        await pay_in(many, 100_000)
        await budget(many, 50_000)
        rows = [many.item(quantity=6), many.item(plan=1, quantity=6), many.item(plan=2)]
        total = money.from_proto((await many.validate(rows)).total)
        batch = await many.create(rows)
        spent, reserved = await taken(many)
        assert spent + reserved == total
        done = await many.finished(batch)
        assert done.status == pb.BATCH_STATUS_COMPLETED
        assert await taken(many) == (total, 0)
        assert money.from_proto(done.spent_total) == total


async def test_a_batch_above_the_budget_is_refused_as_a_whole(shop: Shop) -> None:
    async with company(shop) as many:
        await pay_in(many, 100_000)
        rows = [many.item(quantity=10), many.item(quantity=10)]
        total = money.from_proto((await many.validate(rows)).total)
        await budget(many, total - 1)
        found = await many.validate(rows)
        assert [problem.code for problem in found.problems] == ["BUDGET_EXCEEDED"]
        assert [money.from_proto(b.left) for b in found.budgets] == [-1]
        assert await refusal(many.create(rows)) == "BUDGET_EXCEEDED"
        assert await shop.databases.admin.fetchval("select count(*) from orders.batches") == 0
        assert await taken(many) == (0, 0)


async def test_a_failed_row_gives_its_budget_back_and_a_retry_takes_it_again(shop: Shop) -> None:
    async with company(shop) as many:
        await pay_in(many, 100_000)
        await budget(many, 50_000)
        await shop.fault(method="POST", path="/orders", status=400)
        done = await many.finished(await many.create([many.item(), many.item(plan=1)]))
        assert done.counts.failed == 1
        assert await taken(many) == (money.from_proto(done.spent_total), 0)
        await many.retry(done)
        again = await many.finished(done)
        assert again.status == pb.BATCH_STATUS_COMPLETED
        assert await taken(many) == (money.from_proto(again.spent_total), 0)


async def test_an_empty_wallet_pauses_the_batch_until_money_arrives(shop: Shop) -> None:
    async with company(shop) as many:
        rows = [many.item(quantity=10), many.item(quantity=10)]
        total = money.from_proto((await many.validate(rows)).total)
        await pay_in(many, total / 2)
        batch = await many.create(rows)
        waiting = await many.reaches(batch, WAITING)
        assert waiting.status_reason
        assert waiting.counts.failed == 0
        await pay_in(many, total)
        await shop.databases.admin.execute("update orders.batches set next_run_at = now()")
        done = await many.finished(batch)
        assert (done.status, done.counts.failed) == (pb.BATCH_STATUS_COMPLETED, 0)


async def test_cancelling_gives_back_what_is_not_ordered(shop: Shop) -> None:
    async with company(shop) as many:
        await budget(many, 50_000)
        batch = await many.create([many.item(quantity=10) for _ in range(3)])
        await many.reaches(batch, WAITING)  # the wallet is empty
        assert await shop.databases.admin.fetchval(RESERVED) > 0
        await many.cancel(batch)
        done = await many.finished(batch)
        assert (done.status, done.counts.cancelled) == (pb.BATCH_STATUS_CANCELLED, 3)
        assert await taken(many) == (0, 0)
        assert (await many.cancel(batch)).status == pb.BATCH_STATUS_CANCELLED
        await pay_in(many, 100_000)
        await many.retry(batch)
        again = await many.finished(batch)
        assert again.status == pb.BATCH_STATUS_COMPLETED
        assert await refusal(many.cancel(batch)) == "BATCH_FINISHED"


async def test_a_suspended_organization_pauses_its_batch(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        await budget(many, 50_000)
        batch = await many.create([many.item()])
        await many.reaches(batch, WAITING)
        acme, service = many.organization, many.organization.service
        suspend = organizations_pb2.SuspendOrganizationRequest(organization_id=acme.id)
        await service.SuspendOrganization(suspend, metadata=shop.service_key)
        await pay_in(many, 10_000)
        await shop.databases.admin.execute("update orders.batches set next_run_at = now()")
        await many.reaches(batch, pb.BATCH_STATUS_PAUSED)
        assert shop.charges == 0
        assert await refusal(many.create([many.item()], "other")) == "ORGANIZATION_SUSPENDED"
        resume = organizations_pb2.ResumeOrganizationRequest(organization_id=acme.id)
        await service.ResumeOrganization(resume, metadata=shop.service_key)
        await shop.databases.admin.execute("update orders.batches set next_run_at = now()")
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED


async def test_a_batch_goes_on_when_its_creator_is_removed_who_sees_it_no_more(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        batch = await many.create([many.item(quantity=2)])
        await many.reaches(batch, WAITING)
        await acme.service.RemoveMember(
            organizations_pb2.RemoveMemberRequest(
                organization_id=acme.id, user_id=str(acme.buyer.user_id)
            ),
            metadata=acme.owner.metadata,
        )
        assert await refusal(many.get(batch)) == "BATCH_NOT_FOUND"
        assert await refusal(many.create([many.item()], "new")) == "ORGANIZATION_NOT_FOUND"
        await pay_in(many, 10_000)
        await shop.databases.admin.execute("update orders.batches set next_run_at = now()")
        many.buyer = acme.owner.metadata
        assert (await many.finished(batch)).status == pb.BATCH_STATUS_COMPLETED


async def test_members_see_batches_by_their_role(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        await pay_in(many, 10_000)
        batch = await many.finished(await many.create([many.item()]))
        wanted = pb.ListBatchESIMsRequest(batch_id=batch.id)
        listing = pb.ListBatchesRequest(organization_id=acme.id)
        for member in (acme.owner, acme.manager, acme.buyer):
            many.buyer = member.metadata
            assert (await many.get(batch)).id == batch.id
            found = await many.batches.ListBatches(listing, metadata=member.metadata)
            assert [one.id for one in found.batches] == [batch.id]
            [esim] = (await many.batches.ListBatchESIMs(wanted, metadata=member.metadata)).esims
            assert esim.matching_id
        stranger = await shop.session("eve@example.com")
        for session in (acme.finance.metadata, acme.traveler.metadata, stranger):
            many.buyer = session
            assert await refusal(many.get(batch)) == "BATCH_NOT_FOUND"
            assert await refusal(many.items(batch)) == "BATCH_NOT_FOUND"
            assert await refusal(many.cancel(batch)) == "BATCH_NOT_FOUND"
            assert await refusal(many.retry(batch)) == "BATCH_NOT_FOUND"
            calls = many.batches.ListBatchESIMs(wanted, metadata=session)
            assert await refusal(calls) == "BATCH_NOT_FOUND"
            found = await many.batches.ListBatches(listing, metadata=session)
            assert not found.batches
        for role in ("support", "finance"):
            staff = await shop.session(f"{role}@example.com", role=role)
            many.buyer = staff
            assert (await many.get(batch)).id == batch.id
            calls = many.batches.ListBatchESIMs(wanted, metadata=staff)
            assert await refusal(calls) == "STAFF_MAY_ONLY_READ"
            assert await refusal(many.retry(batch)) == "STAFF_MAY_ONLY_READ"
        for member in (acme.finance, acme.traveler):
            many.buyer = member.metadata
            refused = await refusal(many.create([many.item()], "other"))
            assert refused == "MEMBER_ROLE_INSUFFICIENT"


async def test_a_removed_member_of_the_staff_gets_no_codes_of_their_batches(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        await pay_in(many, 10_000)
        batch = await many.finished(await many.create([many.item()]))
        await acme.service.RemoveMember(
            organizations_pb2.RemoveMemberRequest(
                organization_id=acme.id, user_id=str(acme.buyer.user_id)
            ),
            metadata=acme.owner.metadata,
        )
        many.buyer = await shop.session(acme.buyer.email, role="support")
        assert (await many.get(batch)).customer_id == str(acme.buyer.user_id)
        [item] = await many.items(batch)
        assert not item.iccids
        wanted = pb.ListBatchESIMsRequest(batch_id=batch.id)
        calls = many.batches.ListBatchESIMs(wanted, metadata=many.buyer)
        assert await refusal(calls) == "STAFF_MAY_ONLY_READ"
        for act in (many.cancel, many.retry):
            assert await refusal(act(batch)) == "STAFF_MAY_ONLY_READ"


async def test_an_organization_that_pays_by_card_buys_no_batches(shop: Shop) -> None:
    async with company(shop, "CARD") as many:
        found = await many.validate([many.item()])
        assert [problem.code for problem in found.problems] == ["BATCH_NOT_PAYABLE"]
        assert await refusal(many.create([many.item()])) == "BATCH_NOT_PAYABLE"
        assert await refusal(many.create([many.item()], currency="EUR")) == "ORGANIZATION_CURRENCY"


async def test_a_batch_buys_nothing_more_once_the_billing_is_by_card(shop: Shop) -> None:
    async with company(shop) as many:
        batch = await many.reaches(await many.create([many.item()]), WAITING)
        await shop.databases.admin.execute("update orders.organizations set billing = 'CARD'")
        done = await many.finished(batch)
        assert done.status == pb.BATCH_STATUS_FAILED
        assert [item.code for item in await many.items(batch)] == ["BATCH_NOT_PAYABLE"]
        assert shop.charges == 0
        await shop.databases.admin.execute("update orders.organizations set billing = 'PREPAID'")
        await pay_in(many, 1_000)
        done = await many.finished(await many.retry(batch))
        assert done.status == pb.BATCH_STATUS_COMPLETED


async def test_the_error_for_another_members_batch_says_who_may_see_it(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        await pay_in(many, 10_000)
        rows = [many.item(quantity=2)]
        many.buyer = acme.manager.metadata
        first = await many.finished(await many.create(rows, "sheet"))
        shop.catalogue.withdrawn.add(many.plan())  # it could not be bought again
        many.buyer = acme.buyer.metadata
        failure = await failure_of(many.create(rows, "sheet"))
        assert failure.reason == "BATCH_EXISTS"
        assert "owners and managers" in failure.message
        assert "new key" not in failure.message
        other = await failure_of(many.create([many.item(plan=1)], "sheet"))
        assert (other.reason, other.details) == ("IDEMPOTENCY_CONFLICT", {})
        many.buyer = acme.finance.metadata
        assert await refusal(many.create(rows, "sheet")) == "MEMBER_ROLE_INSUFFICIENT"
        many.buyer = await shop.session("eve@example.com")
        assert await refusal(many.create(rows, "sheet")) == "ORGANIZATION_NOT_FOUND"
        many.buyer = acme.owner.metadata
        assert (await many.create(rows, "sheet")).id == first.id
        assert shop.charges == 1


async def test_two_buyers_who_send_a_batch_at_the_same_moment_buy_it_once(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        colleague = await add_member(shop.auth, acme, MemberRole.BUYER, "bob@acme.example.com")
        request = pb.CreateBatchRequest(batch=many.input([many.item()]), idempotency_key="sheet")

        async def create(session: Metadata) -> str:
            try:
                return (await many.batches.CreateBatch(request, metadata=session)).batch.id
            except grpc.aio.AioRpcError as error:
                return reason_of(error)

        callers = [acme.buyer.metadata, colleague.metadata] * 3
        found = await asyncio.gather(*map(create, callers))
        assert {found.count(one) for one in found} == {3}
        assert len(set(found)) == 2
        assert "BATCH_EXISTS" in found
        assert await shop.databases.admin.fetchval("select count(*) from orders.batches") == 1

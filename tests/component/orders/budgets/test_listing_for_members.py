"""Which orders of an organization its members list, read and follow."""

from typing import Any
from uuid import uuid4

from protos.orders.v1 import orders_pb2 as pb
from services.orders.organizations.membership import MemberRole
from tests.component.orders.budgets.buying_for import Company, company, group_of, refusal
from tests.component.orders.shop import Metadata, Shop
from tests.fixtures.organizations import add_member, create_organization


async def listed(acme: Company, who: Metadata, **given: Any) -> list[str]:
    """Return the references of the orders that a session lists, newest first."""
    size = given.pop("page_size", 50)
    request = pb.ListOrdersRequest(filter=pb.OrderFilter(**given), page_size=size)
    answer = await acme.orders.ListOrders(request, metadata=who)
    return [order.customer_reference for order in answer.orders]


async def test_lists_by_role_and_group(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        second = await add_member(shop.auth, people, MemberRole.BUYER, "second@example.com")
        sales = await group_of(acme, "Sales", people.buyer)
        await acme.buy(people.buyer, "1", customer_reference="buyer's", group_id=sales)
        await acme.buy(second, "1", customer_reference="second's")
        await acme.buy(people.manager, "1", customer_reference="manager's")
        await acme.buy(people.buyer, "2", customer_reference="own", organization_id="")
        of_acme = {"organization_id": people.id}
        for who in (people.owner, people.manager):
            assert await listed(acme, who.metadata, **of_acme) == [
                "manager's",
                "second's",
                "buyer's",
            ]
            assert await listed(acme, who.metadata, **of_acme, group_id=sales) == ["buyer's"]
        assert await listed(acme, people.buyer.metadata, **of_acme) == ["buyer's"]
        assert await listed(acme, second.metadata, **of_acme) == ["second's"]
        assert await listed(acme, second.metadata, **of_acme, group_id=sales) == []
        # Without an organization, everybody lists what they bought for themselves.
        assert await listed(acme, people.buyer.metadata) == ["own"]
        assert await listed(acme, people.manager.metadata) == []
        # The staff lists all, or those of one organization.
        support = await shop.session("support@example.com", role="support")
        assert len(await listed(acme, support)) == 4
        assert len(await listed(acme, support, **of_acme)) == 3
        statuses = [pb.ORDER_STATUS_COMPLETED]
        assert len(await listed(acme, people.owner.metadata, **of_acme, statuses=statuses)) == 3
        failed = [pb.ORDER_STATUS_FAILED]
        assert await listed(acme, people.owner.metadata, **of_acme, statuses=failed) == []


async def test_lists_that_are_refused(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        of_acme = {"organization_id": people.id}
        for member in (people.finance, people.traveler):
            assert (
                await refusal(listed(acme, member.metadata, **of_acme))
                == "MEMBER_ROLE_INSUFFICIENT"
            )
        other = await create_organization(
            shop.auth, acme.channel, "Other", roles=(MemberRole.OWNER,), currency="USD"
        )
        stranger = await shop.session("stranger@example.com")
        for session in (other.owner.metadata, stranger):
            assert await refusal(listed(acme, session, **of_acme)) == "ORGANIZATION_NOT_FOUND"
        for bad in ({"organization_id": "acme"}, {"group_id": people.id}):
            assert await refusal(listed(acme, people.owner.metadata, **bad)) == "INVALID_ARGUMENT"


async def test_pages_and_their_total(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        for n in range(3):
            await acme.buy(people.buyer, str(n), customer_reference=str(n))
        request = pb.ListOrdersRequest(
            filter=pb.OrderFilter(organization_id=people.id), page_size=2, with_total=True
        )
        first = await acme.orders.ListOrders(request, metadata=people.owner.metadata)
        assert (len(first.orders), first.total_size) == (2, 3)
        request.page_token = first.next_page_token
        last = await acme.orders.ListOrders(request, metadata=people.owner.metadata)
        assert [order.customer_reference for order in last.orders] == ["0"]
        assert not last.next_page_token
        # The token of one organization's list is none of another's.
        request.filter.organization_id = str(uuid4())
        support = await shop.session("support@example.com", role="support")
        assert (
            await refusal(acme.orders.ListOrders(request, metadata=support)) == "INVALID_PAGE_TOKEN"
        )


async def test_members_read_and_follow_what_their_role_may_see(shop: Shop) -> None:
    async with company(shop) as acme:
        people = acme.acme
        order = await acme.buy(people.buyer, "one")
        get, watch = pb.GetOrderRequest(order_id=order.id), pb.WatchOrderRequest(order_id=order.id)
        for who in (people.owner, people.manager, people.buyer):
            found = (await acme.orders.GetOrder(get, metadata=who.metadata)).order
            assert (found.organization_id, found.id) == (people.id, order.id)
            stream = acme.orders.WatchOrder(watch, metadata=who.metadata)
            async for answer in stream:
                assert answer.order.id == order.id
                break
            stream.cancel()
            esims = await acme.orders.ListOrderAssignments(
                pb.ListOrderAssignmentsRequest(order_id=order.id), metadata=who.metadata
            )
            assert len(esims.assignments) == 1
        second = await add_member(shop.auth, people, MemberRole.BUYER, "second@example.com")
        for who in (people.finance, people.traveler, second):
            assert (
                await refusal(acme.orders.GetOrder(get, metadata=who.metadata)) == "ORDER_NOT_FOUND"
            )
